import { KV_EVENT_BLOCKS_MAX, KV_EVENT_TOKENS_MAX } from "../../limits.ts";
import { err, ok, type Result } from "../../result.ts";
import { writeBlockId } from "./block-id.ts";
import { TIERS, type BlockIds, type EventFault, type KvEvent } from "./event.ts";

type Decoded<T> = Result<T, EventFault>;

/** Where each field stands in an event that is an array: vLLM's order, of which SGLang writes the beginning. */
const STORED = [
	"type",
	"block_hashes",
	"parent_block_hash",
	"token_ids",
	"block_size",
	"lora_id",
	"medium",
	"lora_name",
	"extra_keys",
	"group_idx",
	"kv_cache_spec_kind",
	"kv_cache_spec_sliding_window",
] as const;
const REMOVED = ["type", "block_hashes", "medium", "group_idx"] as const;

type Field = (typeof STORED)[number];
type Fields = (name: Field) => unknown;

const BLOCK_SIZE_MAX = 65_536;
const TEXT_MAX = 1_024;
const TOKEN_MAX = 0xffffffff;

/** One event, as an array with its tag first or as a map with its tag under `type`. Null: an event of a kind that we do not
 *  know, as engines add them. Source: `vllm/distributed/kv_events.py` and `sglang/srt/disaggregation/kv_events.py`, whose
 *  structs msgspec writes as arrays or, since vLLM 0.26, as maps. */
export function decodeEvent(value: unknown, path: string): Decoded<KvEvent | null> {
	const tag = Array.isArray(value) ? value[0] : isMap(value) ? value["type"] : undefined;
	if (typeof tag !== "string") {
		return fault(path, "an event is an array that starts with its kind, or a map with its kind as `type`");
	}
	switch (tag) {
		case "BlockStored":
			return decodeStored(fieldsOf(value, STORED), path);
		case "BlockRemoved":
			return decodeRemoved(fieldsOf(value, REMOVED), path);
		case "AllBlocksCleared":
			return ok({ kind: "cleared" });
		default:
			return ok(null);
	}
}

function fieldsOf(value: unknown, order: readonly Field[]): Fields {
	if (!Array.isArray(value)) return (name) => (value as Readonly<Record<string, unknown>>)[name] ?? null;
	const array: readonly unknown[] = value;
	return (name) => array[order.indexOf(name)] ?? null;
}

function decodeStored(fields: Fields, path: string): Decoded<KvEvent> {
	const ids = blockIds(fields("block_hashes"), `${path}.block_hashes`);
	if (!ids.ok) return ids;
	const blockSize = fields("block_size");
	if (!isWhole(blockSize, 0, BLOCK_SIZE_MAX)) {
		return fault(`${path}.block_size`, `a whole number from 0 to ${BLOCK_SIZE_MAX} is expected`);
	}
	const blocks = ids.value.length / 2;
	const tokens = tokenIds(fields("token_ids"), `${path}.token_ids`, KV_EVENT_TOKENS_MAX);
	if (!tokens.ok) return tokens;
	// vLLM's offloading connector tells of a further tier with hashes alone.
	if (tokens.value.length > 0 && tokens.value.length !== blocks * blockSize) {
		const counts = `${tokens.value.length} tokens for ${blocks} blocks of ${blockSize}`;
		return fault(`${path}.token_ids`, counts);
	}
	const parent = parentId(fields("parent_block_hash"), `${path}.parent_block_hash`);
	if (!parent.ok) return parent;
	const common = commonOf(fields, path);
	if (!common.ok) return common;
	const lora = loraOf(fields, path);
	if (!lora.ok) return lora;
	const extras = extrasOf(fields("extra_keys"), blocks, lora.value, `${path}.extra_keys`);
	if (!extras.ok) return extras;
	const kind = fields("kv_cache_spec_kind");
	const slidingWindow =
		fields("kv_cache_spec_sliding_window") !== null || (typeof kind === "string" && kind.includes("sliding"));
	return ok({
		kind: "stored",
		ids: ids.value,
		parent: parent.value,
		tokens: tokens.value,
		blockSize,
		...common.value,
		slidingWindow,
		lora: lora.value,
		extras: extras.value,
	});
}

function decodeRemoved(fields: Fields, path: string): Decoded<KvEvent> {
	const ids = blockIds(fields("block_hashes"), `${path}.block_hashes`);
	if (!ids.ok) return ids;
	const common = commonOf(fields, path);
	return common.ok ? ok({ kind: "removed", ids: ids.value, ...common.value }) : common;
}

function commonOf(fields: Fields, path: string): Decoded<{ tier: number; group: number }> {
	const medium = fields("medium");
	if (medium !== null && typeof medium !== "string") return fault(`${path}.medium`, "a text or null is expected");
	const group = fields("group_idx") ?? 0;
	if (!isWhole(group, 0, 255)) return fault(`${path}.group_idx`, "a whole number from 0 to 255 or null is expected");
	return ok({ tier: tierOf(medium), group });
}

function tierOf(medium: string | null): number {
	if (medium === null) return 0;
	const name = medium.toUpperCase();
	// SGLang's names for host and disk are vLLM's connectors' too, with and without a suffix.
	const known = TIERS.findIndex((tier) => name.startsWith(tier));
	return known >= 0 ? known : TIERS.indexOf("OTHER");
}

function blockIds(value: unknown, path: string): Decoded<BlockIds> {
	if (!Array.isArray(value)) return fault(path, "a list of block hashes is expected");
	const { length } = value;
	if (length > KV_EVENT_BLOCKS_MAX) return tooMany(path, "block hashes of an event", KV_EVENT_BLOCKS_MAX, length);
	const ids = new Uint32Array(2 * length);
	for (let index = 0; index < length; index++) {
		if (!writeBlockId(value[index], ids, 2 * index)) return fault(`${path}[${index}]`, NO_HASH);
	}
	return ok(ids);
}

const NO_HASH = "a block hash is a whole number, bytes (1 to 128) or text (1 to 256 characters)";

function parentId(value: unknown, path: string): Decoded<BlockIds | null> {
	if (value === null) return ok(null);
	const id = new Uint32Array(2);
	return writeBlockId(value, id, 0) ? ok(id) : fault(path, NO_HASH);
}

/** Token ids, at most `max` of them. */
export function tokenIds(value: unknown, path: string, max: number): Decoded<Uint32Array> {
	if (!Array.isArray(value)) return fault(path, "a list of token ids is expected");
	const { length } = value;
	if (length > max) return tooMany(path, "token ids", max, length);
	const tokens = new Uint32Array(length);
	for (let index = 0; index < length; index++) {
		const token: unknown = value[index];
		if (!isWhole(token, 0, TOKEN_MAX)) {
			return fault(`${path}[${index}]`, "a token id is a whole number from 0 to 4,294,967,295");
		}
		tokens[index] = token;
	}
	return ok(tokens);
}

/** The adapter by name; older engines give a number only. */
function loraOf(fields: Fields, path: string): Decoded<string | null> {
	const name = fields("lora_name");
	if (typeof name === "string" && name.length <= TEXT_MAX) return ok(name);
	if (name !== null) return fault(`${path}.lora_name`, `a text of up to ${TEXT_MAX} characters or null is expected`);
	const id = fields("lora_id");
	if (id === null) return ok(null);
	if (typeof id === "number" || typeof id === "bigint") return ok(`#${id}`);
	return fault(`${path}.lora_id`, "a number or null is expected");
}

/** What the engine hashed into each block beside its tokens, without the adapter's name, which stands in `lora` already. */
function extrasOf(
	value: unknown,
	blocks: number,
	lora: string | null,
	path: string,
): Decoded<readonly (string | null)[] | null> {
	if (value === null) return ok(null);
	if (!Array.isArray(value)) return fault(path, "a list with one entry a block or null is expected");
	if (value.length > blocks) return fault(path, `${value.length} entries for ${blocks} blocks`);
	let some = false;
	const extras: (string | null)[] = [];
	for (let index = 0; index < value.length; index++) {
		const entry: unknown = value[index] ?? null;
		if (entry !== null && !Array.isArray(entry)) return fault(`${path}[${index}]`, "a list or null is expected");
		const keys: readonly unknown[] = (entry ?? []).filter((key: unknown) => key !== lora);
		const text = keys.length === 0 ? null : extraText(keys);
		if (text !== null && text.length > TEXT_MAX) {
			return tooMany(`${path}[${index}]`, "characters of a block's extra keys", TEXT_MAX, text.length);
		}
		some ||= text !== null;
		extras.push(text);
	}
	return ok(some ? extras : null);
}

/** A text for what an engine hashes into a block: the same for the same keys in every encoding. */
export function extraText(keys: readonly unknown[]): string {
	return JSON.stringify(keys, (_, value: unknown) => {
		if (typeof value === "bigint") return Number(value);
		return value instanceof Uint8Array ? Array.from(value) : value;
	});
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isWhole(value: unknown, min: number, max: number): value is number {
	return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function fault(path: string, message: string): { readonly ok: false; readonly error: EventFault } {
	return err({ path, message });
}

function tooMany(path: string, name: string, max: number, found: number) {
	return err({ path, message: `${found} ${name}; the limit is ${max}`, limit: { name, max, found } });
}
