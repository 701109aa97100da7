/** Engine KV events as we keep them, whatever they were encoded in. Typed arrays, because they cross to the scheduler object
 *  by structured clone. */
import type { Seconds } from "../../units.ts";

/** Where an engine holds a block: its `medium`, `GPU` when it names none, `OTHER` when it names one that we do not know. */
export const TIERS = ["GPU", "CPU", "DISK", "OTHER"] as const;
export type Tier = (typeof TIERS)[number];

/** Engine block hashes as opaque 64-bit ids: two 32-bit words a block. */
export type BlockIds = Uint32Array;

export interface BlocksStored {
	readonly kind: "stored";
	/** One id for each engine block of the event, in the order of their tokens. */
	readonly ids: BlockIds;
	/** The block before the first one; null: a prompt starts here. */
	readonly parent: BlockIds | null;
	/** `blockSize` of them for each block; none: the blocks are known already, and are now held in this tier too. */
	readonly tokens: Uint32Array;
	readonly blockSize: number;
	/** Index into TIERS. */
	readonly tier: number;
	/** KV cache group of a hybrid model; 0 where the engine has only one. */
	readonly group: number;
	/** A sliding-window group keeps only the end of a prompt: it says nothing of whole prefixes. */
	readonly slidingWindow: boolean;
	/** The adapter that the blocks were computed with. */
	readonly lora: string | null;
	/** What else the engine hashed into a block (cache salt, images), one text a block; null: nothing in any. */
	readonly extras: readonly (string | null)[] | null;
}

export interface BlocksRemoved {
	readonly kind: "removed";
	readonly ids: BlockIds;
	readonly tier: number;
	readonly group: number;
}

export interface BlocksCleared {
	readonly kind: "cleared";
}

export type KvEvent = BlocksStored | BlocksRemoved | BlocksCleared;

/** What an engine published in one message. */
export interface EventBatch {
	/** Unix seconds on the engine's clock. */
	readonly ts: Seconds;
	readonly events: readonly KvEvent[];
	/** Null: the batch does not say. */
	readonly rank: number | null;
	/** Events of kinds that we do not know; they change nothing. */
	readonly unknown: number;
}

/** A batch with its place in the engine's sequence. */
export interface SequencedBatch {
	readonly seq: number;
	/** The sender cannot get the batches before this one, or cannot tell whether they were of the same life: start anew here. */
	readonly lost: boolean;
	readonly batch: EventBatch;
}

/** What of a body is wrong: where (`batches[3].events[7].token_ids`), and which limit was exceeded, if one was. */
export interface EventFault {
	readonly path: string;
	readonly message: string;
	readonly limit?: { readonly name: string; readonly max: number; readonly found: number };
}
