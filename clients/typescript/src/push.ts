import type { Encoding } from "../../../src/shared/federated/encoding.ts";
import { RequestError } from "./errors.ts";
import { readUpdate, type Decision, type OpenUpdate } from "./messages.ts";
import type { Transport } from "./transport.ts";
import type { PreparedUpdate, UpdateStore } from "./update.ts";

/** Parts on their way at once. */
const PARTS_UNDER_WAY = 2;
const PART_SECONDS = 600;
const COMMITS_MAX = 5;

/** Sends the parts that the run does not have, commits, and returns what was decided, perhaps long ago. */
export async function push(
	transport: Transport,
	store: UpdateStore,
	update: PreparedUpdate,
	onProgress: (bytes: number) => void,
): Promise<Decision> {
	for (let attempt = 1; ; attempt++) {
		const found = await updateOf(transport, update.id, update.encoding);
		if (found.state !== "open") return found;
		try {
			await sendParts(transport, store, update, found, onProgress);
			return await commit(transport, update);
		} catch (error) {
			if (!(error instanceof RequestError)) throw error;
			const decided = error.code === "update_closed" && error.details["update"];
			if (decided) return readUpdate(decided) as Decision;
			// Parts may have been lost or replaced since they were sent; or an answer to a commit was.
			const mayHelp = error.code === "parts_missing" || error.code === "update_closed";
			if (!mayHelp || attempt === COMMITS_MAX) throw error;
		}
	}
}

/** What was decided about an update; before that, which of its parts in this encoding the run has. */
export async function updateOf(transport: Transport, id: string, encoding?: Encoding): Promise<Decision | OpenUpdate> {
	const query = encoding ? `?encoding=${encoding}` : "";
	return readUpdate(await transport.json({ method: "GET", path: `/updates/${id}${query}` }));
}

async function sendParts(
	transport: Transport,
	store: UpdateStore,
	{ id, encoding, digests }: PreparedUpdate,
	{ parts }: OpenUpdate,
	onProgress: (bytes: number) => void,
): Promise<void> {
	const stored = new Map(parts.stored.map(({ part, digest }) => [part, digest]));
	const missing = [...digests.keys()].filter((part) => stored.get(part) !== digests[part]);
	let sent = 0;
	for (const part of digests.keys()) {
		if (stored.get(part) === digests[part]) onProgress((sent += (await store.part(part)).length));
	}
	const send = async (): Promise<void> => {
		for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
			const body = await store.part(part);
			const path = `/updates/${id}/parts/${part}?encoding=${encoding}`;
			await transport.json({ method: "PUT", path, body, timeout: PART_SECONDS });
			onProgress((sent += body.length));
		}
	};
	await Promise.all(Array.from({ length: PARTS_UNDER_WAY }, send));
}

async function commit(transport: Transport, { id, encoding, digests, report }: PreparedUpdate): Promise<Decision> {
	const body = new TextEncoder().encode(JSON.stringify({ encoding, parts: digests, ...report }));
	const answer = await transport.json({ method: "POST", path: `/updates/${id}/commit`, body, hasNonce: true });
	return readUpdate(answer) as Decision;
}
