import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contentDigest, isSameDigest, readContentDigest } from "../../../src/shared/http/content-digest.ts";
import { signerOf, verifierOf } from "../../../src/shared/http/ed25519.ts";
import { readSignature, signatureBase, signatureHeaders } from "../../../src/shared/http/message-signature.ts";
import { parseDictionary, serializeInnerList, type InnerList } from "../../../src/shared/http/structured-fields.ts";

/** Origin: RFC 9421, appendices B.1.4 (key), B.2 (request) and B.2.6 (signature). */
const RFC = {
	publicKey: "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
	privateKey: "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF",
	body: '{"hello": "world"}',
	sha256: "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
	message: {
		method: "POST",
		url: "https://example.com/foo?param=Value&Pet=dog",
		headers: new Headers({
			date: "Tue, 20 Apr 2021 02:07:55 GMT",
			"content-type": "application/json",
			"content-length": "18",
		}),
	},
	input:
		'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
	signature: "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
};

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
	return new Uint8Array(Buffer.from(base64, "base64"));
}

function listOf(field: string): InnerList {
	const [member] = parseDictionary(field)?.values() ?? [];
	if (!member || !("items" in member)) throw new Error("not an inner list");
	return member;
}

async function rfcSigner() {
	return signerOf(await crypto.subtle.importKey("pkcs8", bytesOf(RFC.privateKey), "Ed25519", false, ["sign"]));
}

test("the example of RFC 9421 with Ed25519", async () => {
	const list = listOf(RFC.input);
	const text = serializeInnerList(list);
	expect(`sig-b26=${text}`).toBe(RFC.input);
	const base = signatureBase(
		RFC.message,
		list.items.map(({ value }) => (typeof value === "string" ? value : "")),
		text,
	);
	const signature = parseDictionary(RFC.signature)?.get("sig-b26");
	const bytes = signature && "value" in signature ? signature.value : null;
	if (!base || !(bytes instanceof Uint8Array)) throw new Error("not read");
	const verify = await verifierOf(bytesOf(RFC.publicKey));
	expect(await verify?.(bytes, base)).toBe(true);
	expect(await (await rfcSigner())(base)).toEqual(bytes);
	base[0]! ^= 1;
	expect(await verify?.(bytes, base)).toBe(false);
});

test("the Content-Digest of RFC 9530's example", async () => {
	const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(RFC.body)));
	const field = `sha-256=:${RFC.sha256}:`;
	expect(contentDigest(digest)).toBe(field);
	const read = readContentDigest(`sha-512=:AAAA:, ${field}`);
	expect(read.ok && isSameDigest(read.value, digest)).toBe(true);
	expect(
		read.ok &&
			isSameDigest(
				read.value,
				digest.map((byte) => byte ^ 1),
			),
	).toBe(false);
	expect(readContentDigest(null)).toEqual({ ok: false, error: "digest_missing" });
	expect(readContentDigest("sha-512=:AAAA:")).toEqual({ ok: false, error: "digest_missing" });
	for (const bad of ["sha-256", "sha-256=:AAAA:", "sha-256=AAAA", "sha-256=:A", `sha-256=:${RFC.sha256}:,`, "\0"]) {
		expect(readContentDigest(bad)).toEqual({ ok: false, error: "digest_malformed" });
	}
});

const NOW = 1_790_000_000;
const PARAMETERS = { created: NOW, expires: NOW + 120, keyid: "cl_1", nonce: "0123456789abcdef" };
const URL_SENT = "https://edge.example:8443/v1/runs/run_1/updates/up%201/commit?x=%2F";

async function signed(parameters = PARAMETERS, more: Record<string, string> = {}) {
	const headers = new Headers({ "content-digest": `sha-256=:${RFC.sha256}:`, ...more });
	const message = { method: "POST", url: URL_SENT, headers };
	const made = await signatureHeaders(message, parameters, await rfcSigner());
	for (const [name, value] of Object.entries(made)) headers.set(name, value);
	return message;
}

async function isVerified(message: Awaited<ReturnType<typeof signed>>, now = NOW) {
	const read = readSignature(message, true, now);
	if (!read.ok) return read.error.code;
	const verify = await verifierOf(bytesOf(RFC.publicKey));
	return verify!(read.value.signature, read.value.base);
}

test("a request that was signed is read and verified", async () => {
	const message = await signed();
	expect(await isVerified(message)).toBe(true);
	expect(readSignature(message, true, NOW)).toMatchObject({ ok: true, value: PARAMETERS });
	expect(message.headers.get("signature-input")).toBe(
		`sig1=("@method" "@authority" "@path" "@query" "content-digest");created=${NOW};expires=${NOW + 120};keyid="cl_1";` +
			'alg="ed25519";nonce="0123456789abcdef"',
	);
});

test("blanks and another label do not matter", async () => {
	const message = await signed();
	const { headers } = message;
	headers.set("signature-input", headers.get("signature-input")!.replace("sig1=(", "a*=(  ").replaceAll(";", "; "));
	headers.set("signature", headers.get("signature")!.replace("sig1=", "a*="));
	expect(await isVerified(message)).toBe(true);
});

describe("what is signed cannot be changed", () => {
	test.each([
		["the method", { method: "PUT" }],
		["the authority", { url: URL_SENT.replace("8443", "8444") }],
		["the path", { url: URL_SENT.replace("run_1", "run_2") }],
		["the query", { url: URL_SENT.replace("%2F", "%2f") }],
	])("%s", async (_, change) => {
		expect(await isVerified({ ...(await signed()), ...change })).toBe(false);
	});

	test.each([
		["the digest", "content-digest", `sha-256=:${RFC.sha256.replace("X", "Y")}:`],
		["the order of components", "signature-input", ['("@method" "@authority"', '("@authority" "@method"']],
		["the key's id", "signature-input", ["cl_1", "cl_2"]],
		["the nonce", "signature-input", ["0123456789abcdef", "1123456789abcdef"]],
		["the window", "signature-input", [`expires=${NOW + 120}`, `expires=${NOW + 121}`]],
	] as const)("%s", async (_, header, change) => {
		const message = await signed();
		const before = message.headers.get(header)!;
		message.headers.set(header, typeof change === "string" ? change : before.replace(change[0], change[1]));
		expect(message.headers.get(header)).not.toBe(before);
		expect(await isVerified(message)).toBe(false);
	});
});

test("a signature counts in its window only", async () => {
	const message = await signed();
	expect(await isVerified(message, NOW - 60)).toBe(true);
	expect(await isVerified(message, NOW - 61)).toBe("signature_early");
	expect(await isVerified(message, NOW + 120)).toBe(true);
	expect(await isVerified(message, NOW + 121)).toBe("signature_expired");
	expect(await isVerified(await signed({ ...PARAMETERS, expires: NOW + 300 }))).toBe(true);
	expect(await isVerified(await signed({ ...PARAMETERS, expires: NOW + 301 }))).toBe("signature_malformed");
	expect(await isVerified(await signed({ ...PARAMETERS, expires: NOW }))).toBe("signature_malformed");
});

describe("what a signature must have", () => {
	test.each([
		["no signature at all", null, null, "signature_missing"],
		["the digest is not covered", ' "content-digest")', ")", "signature_incomplete"],
		["the query is not covered", ' "@query"', "", "signature_incomplete"],
		["a component twice", '("@method"', '("@method" "@method"', "signature_malformed"],
		["a component that is not signed here", '("@method"', '("@method" "date"', "signature_malformed"],
		["a component with a parameter", '"@query"', '"@query";req', "signature_malformed"],
		["another algorithm", "ed25519", "hmac-sha256", "signature_malformed"],
		["no expiry", `;expires=${NOW + 120}`, "", "signature_malformed"],
		["an instant with a fraction", `created=${NOW}`, `created=${NOW}.5`, "signature_malformed"],
		["no key", ';keyid="cl_1"', "", "signature_malformed"],
		["a short nonce", "0123456789abcdef", "0123456789abcde", "signature_malformed"],
		["a second signature", "sig1=", 'sig2=("@method");created=1, sig1=', "signature_malformed"],
		["another label", "sig1=", "sig2=", "signature_malformed"],
		["no list", /\(.*\)/, '"@method"', "signature_malformed"],
		["garbage", /.*/, "(((", "signature_malformed"],
	])("%s", async (_, part, other, code) => {
		const message = await signed();
		const before = message.headers.get("signature-input")!;
		if (part === null) message.headers.delete("signature");
		else message.headers.set("signature-input", before.replace(part, other ?? ""));
		expect(await isVerified(message)).toBe(code);
	});

	test("64 bytes", async () => {
		const message = await signed();
		message.headers.set("signature", "sig1=:AAAA:");
		expect(await isVerified(message)).toBe("signature_malformed");
	});

	test("a digest that is signed is there", async () => {
		const message = await signed();
		message.headers.delete("content-digest");
		expect(await isVerified(message)).toBe("signature_incomplete");
	});
});

test("32 bytes are a key, others are not", async () => {
	expect(await verifierOf(new Uint8Array(31))).toBe(null);
	expect(await verifierOf(bytesOf(RFC.publicKey))).not.toBe(null);
});

test("any text is parsed or refused, and what is parsed is written as it was meant", () => {
	fc.assert(fc.property(fc.string({ unit: "binary-ascii" }), (text) => void parseDictionary(text)));
	const text = fc.string({ unit: fc.constantFrom("a", " ", '"', "\\", "~", ";", ")") });
	const value = fc.oneof(text, fc.integer({ min: -1e14, max: 1e14 }), fc.boolean(), fc.uint8Array());
	const parameters = fc.dictionary(fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,8}$/), value);
	fc.assert(
		fc.property(fc.array(fc.tuple(text, parameters)), parameters, (items, own) => {
			const list = {
				items: items.map(([value, parameters]) => ({ value, parameters: new Map(Object.entries(parameters)) })),
				parameters: new Map(Object.entries(own)),
			} as InnerList;
			const field = `a=${serializeInnerList(list)}`;
			expect(serializeInnerList(listOf(field))).toBe(field.slice(2));
		}),
	);
});
