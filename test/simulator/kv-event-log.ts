import { encode } from "@msgpack/msgpack";
import { BLOCK_TOKENS, type BlockChain } from "./block-chain.ts";
import type { KV_ENCODINGS } from "./options.ts";
import type { CacheObserver } from "./prefix-cache.ts";

export type KvEncoding = (typeof KV_ENCODINGS)[number];

interface Stored {
	readonly kind: "BlockStored";
	readonly chain: BlockChain;
	readonly from: number;
	to: number;
}
interface Removed {
	readonly kind: "BlockRemoved";
	readonly hashes: number[];
}
type Event = Stored | Removed | { readonly kind: "AllBlocksCleared" };

/** Gathers what happens in one life of a prefix cache into batches, one for all that happens in one turn of the event loop. */
export class KvEventLog implements CacheObserver {
	readonly #encoding: KvEncoding;
	readonly #publish: (payload: Uint8Array) => void;
	#events: Event[] = [];

	constructor(encoding: KvEncoding, publish: (payload: Uint8Array) => void) {
		this.#encoding = encoding;
		this.#publish = publish;
	}

	stored(chain: BlockChain, index: number): void {
		const last = this.#events.at(-1);
		if (last?.kind === "BlockStored" && last.chain === chain && last.to === index) last.to++;
		else this.#add({ kind: "BlockStored", chain, from: index, to: index + 1 });
	}

	removed(hash: number): void {
		const last = this.#events.at(-1);
		if (last?.kind === "BlockRemoved") last.hashes.push(hash);
		else this.#add({ kind: "BlockRemoved", hashes: [hash] });
	}

	cleared(): void {
		this.#add({ kind: "AllBlocksCleared" });
	}

	#add(event: Event): void {
		if (this.#events.length === 0) queueMicrotask(() => this.#flush());
		this.#events.push(event);
	}

	#flush(): void {
		const events = this.#events;
		this.#events = [];
		this.#publish(encodeBatch(events, Date.now() / 1_000, this.#encoding));
	}
}

/** As msgspec writes the engines' structs: defaults left out at the end of arrays, and anywhere in maps. */
function encodeBatch(events: readonly Event[], ts: number, encoding: KvEncoding): Uint8Array {
	const list = events.map((event) => encodeEvent(event, encoding));
	const batch =
		encoding === "sglang"
			? [ts, list]
			: encoding === "maps"
				? { ts, events: list, data_parallel_rank: 0 }
				: [ts, list, 0];
	return encode(batch, { useBigInt64: true });
}

function encodeEvent(event: Event, encoding: KvEncoding): unknown {
	const isMap = encoding === "maps" || encoding === "array_of_maps";
	if (event.kind === "AllBlocksCleared") return isMap ? { type: event.kind } : [event.kind];
	if (event.kind === "BlockRemoved") {
		const block_hashes = event.hashes.map((hash) => externalHash(hash, encoding));
		if (isMap) return { type: event.kind, block_hashes, medium: "GPU" };
		return encoding === "sglang" ? [event.kind, block_hashes] : [event.kind, block_hashes, "GPU"];
	}
	const { chain, from, to } = event;
	const { tokens = [], salt = null } = chain.record ?? {};
	const block_hashes = chain.hashes.slice(from, to).map((hash) => externalHash(hash, encoding));
	const parent_block_hash = from === 0 ? null : externalHash(chain.hashes[from - 1]!, encoding);
	const token_ids = tokens.slice(from * BLOCK_TOKENS, to * BLOCK_TOKENS);
	const first = [block_hashes, parent_block_hash, token_ids, BLOCK_TOKENS, null];
	if (encoding === "sglang") return [event.kind, ...first];
	const extra_keys = salt === null ? null : block_hashes.map((_, index) => (from + index === 0 ? [salt] : null));
	if (!isMap) return [event.kind, ...first, "GPU", null, ...(extra_keys ? [extra_keys] : [])];
	return {
		type: event.kind,
		block_hashes,
		parent_block_hash,
		token_ids,
		block_size: BLOCK_TOKENS,
		lora_id: null,
		medium: "GPU",
		lora_name: null,
		...(extra_keys && { extra_keys }),
	};
}

/** 32 bytes as of SHA-256, or 64 bits of it: unsigned with vLLM's VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES, signed in SGLang. */
function externalHash(hash: number, encoding: KvEncoding): bigint | Uint8Array {
	const wide = BigInt.asUintN(64, BigInt(hash) * 0x9e3779b97f4a7c15n);
	if (encoding === "arrays") return wide;
	if (encoding === "sglang") return BigInt.asIntN(64, wide);
	const bytes = new Uint8Array(32);
	const view = new DataView(bytes.buffer);
	for (let at = 0; at < 32; at += 8) view.setBigUint64(at, BigInt.asUintN(64, wide * BigInt(2 * at + 1)));
	return bytes;
}
