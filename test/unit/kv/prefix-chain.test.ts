import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { topLevelMembers } from "../../../src/shared/http/json-members.ts";
import { jsonText } from "../../../src/shared/http/json-values.ts";
import { hash64, hashBlocks } from "../../../src/shared/kv/block-hash.ts";
import { prefixChain, type PrefixChain, type PrefixLimits } from "../../../src/shared/kv/prefix-chain.ts";
import type { Endpoint } from "../../../src/shared/scheduler/messages.ts";

const SMALL: PrefixLimits = { blockBytes: 64, blocksMax: 1_024 };

function chain(
	body: string | object,
	{
		endpoint = "chat",
		salt = "s",
		model = "m",
		limits = SMALL,
		secret,
	}: { endpoint?: Endpoint; salt?: string; model?: string; limits?: PrefixLimits; secret?: string } = {},
): PrefixChain {
	const json = jsonText(new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body)));
	const members = topLevelMembers(json);
	if (!members.ok) throw new Error(members.error.message);
	return prefixChain({ endpoint, json, members: members.value, model, salt, secret }, limits);
}

/** Blocks that two chains have in common from the beginning. */
function common(a: PrefixChain, b: PrefixChain): number {
	let block = 0;
	while (2 * block < a.words.length && a.words[2 * block] === b.words[2 * block]) {
		if (a.words[2 * block + 1] !== b.words[2 * block + 1]) break;
		block++;
	}
	return Math.min(block, b.words.length / 2);
}

const text = (bytes: number, seed = "x"): string => seed.repeat(Math.ceil(bytes / seed.length)).slice(0, bytes);
const message = fc.record({
	role: fc.constantFrom("system", "user", "assistant"),
	content: fc.oneof(fc.string({ maxLength: 300 }), fc.string({ unit: "grapheme", maxLength: 60 })),
});
const messages = fc.array(message, { minLength: 1, maxLength: 8 });

/** JSON with whitespace wherever it may stand. */
function spaced(value: unknown, space: string): string {
	if (Array.isArray(value)) return `[${space}${value.map((v) => spaced(v, space)).join(`${space},${space}`)}${space}]`;
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	const inner = Object.entries(value).map(([name, v]) => `${JSON.stringify(name)}${space}:${space}${spaced(v, space)}`);
	return `{${space}${inner.join(`${space},${space}`)}${space}}`;
}

describe("a conversation", () => {
	test("goes on from the last turn: what was said stays a prefix", () => {
		fc.assert(
			fc.property(messages, messages, (said, more) => {
				const before = chain({ model: "m", messages: said });
				const after = chain({ model: "m", messages: [...said, ...more] });
				expect(common(before, after)).toBe(before.words.length / 2);
			}),
		);
	});

	test("differs from the block on in which it was changed, and not before", () => {
		fc.assert(
			fc.property(fc.nat(2_999), (at) => {
				const content = text(3_000, "lorem ipsum ");
				const changed = `${content.slice(0, at)}#${content.slice(at + 1)}`;
				const [a, b] = [content, changed].map((c) => chain({ messages: [{ role: "user", content: c }] }));
				// One byte marks the messages; then `[{"role":"user","content":"`.
				expect(common(a!, b!)).toBe(Math.floor((at + 1 + 27) / 64));
			}),
		);
	});

	test("whitespace and the order of top-level members make no difference", () => {
		fc.assert(
			fc.property(messages, fc.constantFrom("", " ", "\n\t ", "\r\n"), (said, space) => {
				const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
				const plain = chain({ messages: said, tools, temperature: 0 });
				const other = chain(spaced({ tools, stream: true, model: "other name", messages: said }, space));
				expect(other.words).toEqual(plain.words);
			}),
		);
	});

	test("tools, system, salt and model stand before all messages", () => {
		const said = [{ role: "user", content: text(1_000) }];
		const plain = chain({ messages: said });
		expect(plain.words.length).toBe(2 * Math.floor((1_000 + 29) / 64));
		const others = [
			chain({ messages: said, tools: [{ type: "function" }] }),
			chain({ messages: said, system: "be brief" }),
			chain({ messages: said, cache_salt: "mine" }),
			chain({ messages: said, extra_key: "mine" }),
			chain({ messages: said }, { salt: "other" }),
			chain({ messages: said }, { model: "m-lora" }),
		];
		for (const other of others) expect(common(plain, other)).toBe(0);
		for (const other of others)
			expect(common(others[1]!, other)).toBe(other === others[1] ? other.words.length / 2 : 0);
	});
});

describe("images and audio", () => {
	const image = (bytes: string) => ({ type: "image_url", image_url: { url: `data:image/png;base64,${bytes}` } });
	const audio = (bytes: string) => ({ type: "input_audio", input_audio: { data: bytes, format: "wav" } });
	const said = (part: object) =>
		chain({ messages: [{ role: "user", content: [part, { type: "text", text: text(500) }] }] });

	test.each([
		["an image", image],
		["audio", audio],
	])("%s counts as its hash, not as its length", (_, part) => {
		const [small, large, again, other] = [text(400, "Ab"), text(90_000, "Ab"), text(90_000, "Ab"), text(90_000, "Ac")];
		const [s, l, a, o] = [small, large, again, other].map((bytes) => said(part(bytes)));
		expect(s!.words.length).toBe(l!.words.length);
		expect(a!.words).toEqual(l!.words);
		for (const different of [s!, o!]) expect(common(l!, different)).toBeLessThan(2);
	});
});

describe("completions", () => {
	const completion = (prompt: unknown, limits = SMALL) => chain({ prompt }, { endpoint: "completions", limits });

	test("a text, alone or first of several", () => {
		const prompt = text(700, "once upon a time ");
		expect(completion(prompt).words.length).toBe(2 * Math.floor(700 / 64));
		expect(completion([prompt, "other"]).words).toEqual(completion(prompt).words);
		expect(completion(prompt).unit).toEqual({ of: "bytes", count: 64 });
	});

	test("tokens are hashed as tokens, whatever stands between them", () => {
		fc.assert(
			fc.property(fc.array(fc.nat(2 ** 32 - 1), { minLength: 1, maxLength: 200 }), (tokens) => {
				const plain = completion(tokens);
				expect(plain.words.length).toBe(2 * Math.floor(tokens.length / 16));
				expect(plain.unit).toEqual({ of: "tokens", count: 16 });
				expect(chain(spaced({ prompt: tokens }, " \n"), { endpoint: "completions" }).words).toEqual(plain.words);
				expect(completion([tokens, [1, 2]]).words).toEqual(plain.words);
				const longer = completion([...tokens, 7]);
				expect(common(plain, longer)).toBe(plain.words.length / 2);
			}),
		);
	});
});

test("the chain ends at its cap and comes in a buffer of its own size; an embedding has none", () => {
	const body = { messages: [{ role: "user", content: text(10_000) }] };
	const capped = chain(body, { limits: { blockBytes: 64, blocksMax: 10 } });
	expect(capped.words.buffer.byteLength).toBe(80);
	expect(common(capped, chain(body))).toBe(10);
	expect(chain({ input: text(1_000) }, { endpoint: "embeddings" }).words.length).toBe(0);
});

describe("mixing", () => {
	test("one bit of the input moves half of the output's bits", () => {
		let moved = 0;
		const bytes = new Uint8Array(64);
		for (let i = 0; i < 64; i++) bytes[i] = i * 37;
		const before = hash64(bytes, 0, 64);
		for (let bit = 0; bit < 512; bit++) {
			bytes[bit >> 3]! ^= 1 << (bit & 7);
			const after = hash64(bytes, 0, 64);
			bytes[bit >> 3]! ^= 1 << (bit & 7);
			for (const half of ["lo", "hi"] as const) {
				const flips = ((before[half] ^ after[half]) >>> 0).toString(2).replaceAll("0", "").length;
				expect(flips).toBeGreaterThan(2);
				moved += flips;
			}
		}
		expect(moved / (512 * 64)).toBeCloseTo(0.5, 1);
	});

	const ofBlock: typeof hash64 = (bytes, _start, end) => {
		const [lo, hi] = hashBlocks(bytes, end, 64, 1, { lo: 1, hi: 2 });
		return { lo: lo!, hi: hi! };
	};

	test.each([
		{ what: "bytes", hash: hash64, first: 3, second: 7 },
		{ what: "a block, one half of the state", hash: ofBlock, first: 2, second: 4 },
		{ what: "a block, both halves", hash: ofBlock, first: 2, second: 5 },
		{ what: "a block, one step", hash: ofBlock, first: 14, second: 15 },
		{ what: "a block, the last words", hash: ofBlock, first: 13, second: 15 },
	])("200,000 texts that differ in two words make no two equal hashes of $what, in either half hardly any", (each) => {
		const words = new Uint32Array(16);
		const bytes = new Uint8Array(words.buffer);
		const seen = new Set<bigint>();
		const low = new Set<number>();
		for (let n = 0; n < 200_000; n++) {
			words[each.first] = n;
			words[each.second] = Math.imul(n, 0x9e3779b1);
			const { lo, hi } = each.hash(bytes, 0, 64);
			seen.add((BigInt(hi) << 32n) | BigInt(lo));
			low.add(lo);
		}
		expect(seen.size).toBe(200_000);
		// A birthday's worth: 200,000^2 / 2^33 = 4.7.
		expect(200_000 - low.size).toBeLessThan(20);
	});
});

test("who knows the seed can make blocks that hash alike: the deployment's secret is in it", () => {
	// Found by inverting the hash for the model "m" and the salt "tenant:acme".
	const block = [0, ...Array.from({ length: 125 }, () => 7), 4_217_812_347, 3_712_426_607];
	const prompt = [...Array.from({ length: 128 }, () => 7), ...block, ...block];
	const of = (secret?: string): string[] => {
		const limits = { blockBytes: 512, blocksMax: 8 };
		const options = { endpoint: "completions", salt: "tenant:acme", limits } as const;
		const { words } = chain({ prompt }, secret === undefined ? options : { ...options, secret });
		return Array.from({ length: words.length / 2 }, (_, i) => `${words[2 * i]} ${words[2 * i + 1]}`);
	};
	expect(of()).toHaveLength(3);
	expect(new Set(of()).size).toBeLessThan(3);
	expect(new Set(of("the operator's")).size).toBe(3);
	expect(of("the operator's")).toEqual(of("the operator's"));
	expect(of("the operator's")).not.toEqual(of("another's"));
});
