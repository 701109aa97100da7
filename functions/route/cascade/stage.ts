import type { RequestRecord } from "../../../src/shared/ledger/messages.ts";
import type { NanoUsd, Seconds } from "../../../src/shared/units.ts";
import { concat, readUpTo } from "../read-up-to.ts";
import type { StageRole } from "../prepared.ts";

/** Ours: an answer that is held until it is judged. Five may be held at once. */
export const STAGE_BYTES_MAX = 4 * 1024 * 1024;

/** A whole answer, not given yet. */
export interface HeldAnswer {
	readonly status: number;
	readonly headers: Headers;
	readonly body: Uint8Array;
}

/** One of the requests that are made for one answer. */
export class StageCall {
	readonly id: string;
	readonly model: string;
	readonly role: StageRole;
	/** The most that it may cost. */
	readonly worst: NanoUsd;
	readonly since: Seconds = Date.now() / 1_000;
	readonly abort = new AbortController();
	/** To pools, as far as is known. */
	calls = 1;
	record: RequestRecord | null = null;
	/** It was refused before any pool was called. */
	refused = false;
	fault: string | null = null;
	/** Its answer was given to the client. */
	accepted = false;
	seconds: Seconds | null = null;

	constructor(id: string, model: string, role: StageRole, worst: NanoUsd) {
		this.id = id;
		this.model = model;
		this.role = role;
		this.worst = worst;
	}

	/** Its answer is not wanted any more. */
	cancel(): void {
		if (this.seconds === null) this.abort.abort(new Error("called off"));
	}

	end(): void {
		this.seconds ??= Date.now() / 1_000 - this.since;
	}
}

/** Reads a response whole; null where it is longer than may be held, or breaks off. */
export async function held(response: Response): Promise<HeldAnswer | null> {
	const { status, headers } = response;
	try {
		const { held: chunks, size, reader } = await readUpTo(response, STAGE_BYTES_MAX);
		if (!reader) return { status, headers, body: concat(chunks, size) };
		await reader.cancel();
	} catch {
		// A plain answer that breaks off breaks its body.
	}
	return null;
}
