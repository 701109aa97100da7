import * as z from "zod";
import { ENCODINGS, encodedBytes, type Encoding } from "../../src/shared/federated/encoding.ts";
import { rowsOf, shardsOf } from "../../src/shared/federated/shard-plan.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { runOf, shardOf } from "../../durable-objects/federated-objects.ts";
import type { RunFacts, Shown } from "../../durable-objects/run.messages.ts";
import type { ShardPort } from "../../durable-objects/shard.messages.ts";
import { readQuery } from "./body.ts";
import { versionOf } from "./objects.ts";

/** How long one look for events waits, after which a comment keeps the connection open. */
const EVENTS_SECONDS = 20;

function whole(max: number) {
	return z
		.string()
		.regex(/^\d{1,9}$/, "a whole number")
		.transform(Number)
		.pipe(z.number().min(0).max(max));
}
const limit = whole(1_000).default(50);
const number = whole(999_999_999);

const byNumber = z.object({ after: number.optional(), limit });
const byText = z.object({ after: z.string().max(100).default(""), limit });
const before = z.object({ before: number.default(999_999_999), limit });

export async function listClients({ url }: Request, env: Env, { id }: RunFacts): Promise<Result<Shown, IsobarError>> {
	const query = readQuery(url, byText);
	return query.ok ? runOf(env, id).clients(query.value.after, query.value.limit) : query;
}

export async function listParticipation({ url }: Request, env: Env, { id }: RunFacts) {
	const query = readQuery(url, byText);
	return query.ok ? runOf(env, id).participation(query.value.after, query.value.limit) : query;
}

export async function listRounds({ url }: Request, env: Env, { id }: RunFacts): Promise<Result<Shown, IsobarError>> {
	const query = readQuery(url, byNumber);
	return query.ok ? runOf(env, id).rounds(query.value.after ?? 0, query.value.limit) : query;
}

export async function listAudit({ url }: Request, env: Env, { id }: RunFacts): Promise<Result<Shown, IsobarError>> {
	const query = readQuery(url, byNumber);
	return query.ok ? runOf(env, id).audit(query.value.after ?? -1, query.value.limit) : query;
}

export async function listVersions({ url }: Request, env: Env, { id }: RunFacts): Promise<Result<Shown, IsobarError>> {
	const query = readQuery(url, before);
	return query.ok ? runOf(env, id).versions(query.value.before, query.value.limit) : query;
}

/** `GET /v1/runs/{id}/events`: server-sent events, from the oldest that is kept or from the one after `Last-Event-ID`. */
export function streamEvents(request: Request, env: Env, ctx: ExecutionContext, { id }: RunFacts): Response {
	const asked = request.headers.get("last-event-id") ?? new URL(request.url).searchParams.get("after") ?? "0";
	const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
	ctx.waitUntil(sendEvents(writable, env, id, /^\d{1,15}$/.test(asked) ? Number(asked) : 0));
	return new Response(readable, {
		headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
	});
}

async function sendEvents(to: WritableStream<Uint8Array>, env: Env, run: string, from: number): Promise<void> {
	const writer = to.getWriter();
	const encoder = new TextEncoder();
	try {
		await writer.write(encoder.encode(": events of the run\n\n"));
		for (let after = from; ;) {
			const events = await runOf(env, run).events(after, EVENTS_SECONDS);
			// Deleted.
			if (!events.ok) break;
			const text = events.value.map(({ seq, kind, data }) => `id: ${seq}\nevent: ${kind}\ndata: ${data}\n\n`).join("");
			await writer.write(encoder.encode(text || ": nothing new\n\n"));
			after = events.value.at(-1)?.seq ?? after;
		}
		await writer.close();
	} catch {
		// Who listened is gone, or the run was reset: the client comes again with its Last-Event-ID.
		await writer.abort().catch(() => {});
	}
}

/** A row's bytes, from whichever shard has it. */
type ReadRow = (shard: ShardPort, row: ShardRow) => Promise<Uint8Array | null>;

/** A row, numbered in its shard, and its first parameter in the model. */
interface ShardRow {
	readonly shard: number;
	readonly row: number;
	readonly parameter: number;
}

/** `GET /v1/runs/{id}/versions/{version}/state/{array}[?row=]`: one array of the optimiser's state after a version, f32, or one row of it. */
export async function pullState(
	env: Env,
	facts: RunFacts,
	name: string,
	array: string,
	url: string,
): Promise<Result<Response, IsobarError>> {
	const version = await versionOf(env, facts.id, name);
	if (!version.ok) return version;
	const none = isobarError("not_found", `There is no array ${array} of the optimiser's state after version ${name}`);
	if (!/^[0-7]$/.test(array)) return err(none);
	const read: ReadRow = (shard, { row }) => shard.rows(version.value.version, row, 1, Number(array));
	return sendRows(env, facts, url, "f32", read, none);
}

/** `GET /v1/runs/{id}/updates/{update}/data?encoding=[&row=]`: an accepted update as it was sent, where the run retains them, or one row of it. */
export async function pullUpdate(
	env: Env,
	facts: RunFacts,
	update: string,
	url: string,
): Promise<Result<Response, IsobarError>> {
	const name = new URL(url).searchParams.get("encoding") ?? "f32";
	const encoding = ENCODINGS.find((each) => each === name);
	const none = isobarError("update_not_found", `The shards hold no update ${update} in ${name}`);
	if (!encoding) return err(none);
	const read: ReadRow = (shard, { parameter }) => shard.partRow(update, encoding, parameter);
	return sendRows(env, facts, url, encoding, read, none);
}

/** All rows one behind the other, read as they are sent, or the one that the query names; `none` when the first is not there. */
async function sendRows(
	env: Env,
	{ id, manifest, specification }: RunFacts,
	url: string,
	encoding: Encoding,
	read: ReadRow,
	none: IsobarError,
): Promise<Result<Response, IsobarError>> {
	const rows = shardsOf(manifest.parameters, specification.shard_parameters).flatMap(({ shard, begin, end }) =>
		rowsOf({ begin, end }).map((range, row): ShardRow => ({ shard, row, parameter: range.begin })),
	);
	const asked = new URL(url).searchParams.get("row");
	const first = rows[Number(asked ?? 0)];
	const bytes = first && (await read(shardOf(env, id, first.shard), first));
	if (!bytes) return err(none);
	const headers = { "content-type": "application/octet-stream" };
	if (asked !== null) return ok(new Response(bytes as Uint8Array<ArrayBuffer>, { headers }));
	const all = rows.map((row) => () => read(shardOf(env, id, row.shard), row));
	return ok(streamed(encodedBytes(encoding, manifest.parameters), all, headers));
}

/** A body that is read row by row as it is sent. */
function streamed(
	bytes: number,
	rows: readonly (() => Promise<Uint8Array | null>)[],
	headers: Readonly<Record<string, string>>,
): Response {
	const { readable, writable } = new FixedLengthStream(bytes);
	void (async () => {
		const writer = writable.getWriter();
		try {
			for (const read of rows) {
				const row = await read();
				if (!row) throw new Error("a row was collected while it was sent");
				await writer.write(row);
			}
			await writer.close();
		} catch (error) {
			await writer.abort(error).catch(() => {});
		}
	})();
	return new Response(readable, { headers });
}
