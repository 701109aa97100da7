import { err, ok, type Result } from "../result.ts";
import type { Seconds } from "../units.ts";
import { parseDictionary, serializeBytes, serializeInnerList, type InnerList, type Item } from "./structured-fields.ts";

/** HTTP Message Signatures (RFC 9421) as far as clients of runs use them: one signature, Ed25519, over these parts of a request. */
export const COMPONENTS = ["@method", "@authority", "@path", "@query", "content-digest"] as const;
export type Component = (typeof COMPONENTS)[number];

/** A signature may be made for this long, */
export const SIGNATURE_SECONDS_MAX = 300;
/** and by a clock that is this much ahead. */
export const CLOCK_AHEAD_SECONDS_MAX = 60;
const KEYID_LENGTH_MAX = 128;
const NONCE = /^[A-Za-z0-9_-]{16,64}$/;

/** What of a request is signed. */
export interface SignedMessage {
	readonly method: string;
	readonly url: string;
	readonly headers: Headers;
}

export interface SignatureParameters {
	/** Whole Unix seconds. */
	readonly created: Seconds;
	readonly expires: Seconds;
	readonly keyid: string;
	/** Null where none is needed. */
	readonly nonce: string | null;
}

/** A signature that was read, and not verified. */
export interface ReadSignature extends SignatureParameters {
	readonly signature: Uint8Array<ArrayBuffer>;
	/** The bytes that it has to sign. */
	readonly base: Uint8Array<ArrayBuffer>;
}

export interface SignatureError {
	readonly code:
		| "signature_missing"
		| "signature_malformed"
		| "signature_incomplete"
		| "signature_expired"
		| "signature_early";
	readonly message: string;
}

/** Ed25519: whether, or how, a key signs these bytes. */
export type Verify = (signature: Uint8Array<ArrayBuffer>, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
export type Sign = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

/** Reads the signature of a request whose body, if `hasBody`, has a Content-Digest. Everything is checked but the key: that
 *  `keyid` names one, that it made `signature` of `base`, that the nonce is new and that the digest is the body's. */
export function readSignature(
	message: SignedMessage,
	hasBody: boolean,
	now: Seconds,
): Result<ReadSignature, SignatureError> {
	const inputField = message.headers.get("signature-input");
	const signatureField = message.headers.get("signature");
	if (inputField === null || signatureField === null) {
		return failed("signature_missing", "the request has to have the headers Signature-Input and Signature");
	}
	const input = onlyMember(inputField);
	const signature = onlyMember(signatureField);
	if (!input || !signature || input[0] !== signature[0] || !("items" in input[1]) || !("value" in signature[1])) {
		return failed("signature_malformed", "Signature-Input and Signature have to hold one signature of the same label");
	}
	const list = input[1];
	const bytes = signature[1].value;
	if (!(bytes instanceof Uint8Array) || bytes.length !== 64) {
		return failed("signature_malformed", "an Ed25519 signature has 64 bytes");
	}
	const components = componentsOf(list);
	if (!components.ok) return components;
	const parameters = parametersOf(list);
	if (!parameters.ok) return parameters;
	const needed = COMPONENTS.filter((component) => hasBody || component !== "content-digest");
	const absent = needed.find((component) => !components.value.includes(component));
	if (absent) return failed("signature_incomplete", `the signature does not cover "${absent}"`);
	const { created, expires } = parameters.value;
	if (created > now + CLOCK_AHEAD_SECONDS_MAX) {
		return failed(
			"signature_early",
			`created (${created}) is ${Math.ceil(created - now)} s ahead of the server's clock`,
		);
	}
	if (expires < now) return failed("signature_expired", `expired ${Math.ceil(now - expires)} s ago`);
	if (expires <= created || expires - created > SIGNATURE_SECONDS_MAX) {
		return failed("signature_malformed", `expires has to lie within ${SIGNATURE_SECONDS_MAX} s after created`);
	}
	const base = signatureBase(message, components.value, serializeInnerList(list));
	if (base === null) return failed("signature_incomplete", "a component that is signed is not in the request");
	return ok({ ...parameters.value, signature: bytes, base });
}

/** The two headers that sign a request: with Content-Digest, where the request has that header. */
export async function signatureHeaders(
	message: SignedMessage,
	{ created, expires, keyid, nonce }: SignatureParameters,
	sign: Sign,
): Promise<{ readonly "signature-input": string; readonly signature: string }> {
	const components = COMPONENTS.filter((name) => name !== "content-digest" || message.headers.has(name));
	const list: InnerList = {
		items: components.map((value) => ({ value, parameters: new Map() })),
		parameters: new Map<string, string | number>([
			["created", created],
			["expires", expires],
			["keyid", keyid],
			["alg", "ed25519"],
			...(nonce === null ? [] : [["nonce", nonce] as const]),
		]),
	};
	const text = serializeInnerList(list);
	const signature = await sign(signatureBase(message, components, text)!);
	return { "signature-input": `sig1=${text}`, signature: `sig1=${serializeBytes(signature)}` };
}

/** The bytes that are signed (RFC 9421, section 2.5); null where a component is not there. `parameters` is the inner list as it
 *  stands in Signature-Input. */
export function signatureBase(
	message: SignedMessage,
	components: readonly string[],
	parameters: string,
): Uint8Array<ArrayBuffer> | null {
	const lines: string[] = [];
	for (const component of components) {
		const value = valueOf(message, component);
		if (value === null) return null;
		lines.push(`"${component}": ${value}\n`);
	}
	const text = `${lines.join("")}"@signature-params": ${parameters}`;
	return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}

function valueOf({ method, url, headers }: SignedMessage, component: string): string | null {
	if (!component.startsWith("@")) return headers.get(component)?.trim() ?? null;
	const { host, pathname, search } = new URL(url);
	switch (component) {
		case "@method":
			return method;
		case "@authority":
			return host;
		case "@path":
			return pathname;
		case "@query":
			return search || "?";
		default:
			return null;
	}
}

function onlyMember(field: string): readonly [string, Item | InnerList] | null {
	const members = parseDictionary(field);
	const [member, ...others] = members ?? [];
	return member && others.length === 0 ? member : null;
}

function componentsOf({ items }: InnerList): Result<readonly Component[], SignatureError> {
	const found = items.map(({ value, parameters }) => (parameters.size === 0 ? value : null));
	const known = found.every((value): value is Component => COMPONENTS.some((component) => component === value));
	if (!known) return failed("signature_malformed", `a signature covers ${COMPONENTS.join(", ")}, without parameters`);
	if (new Set(found).size < found.length) return failed("signature_malformed", "a component is signed twice");
	return ok(found);
}

function parametersOf({ parameters }: InnerList): Result<SignatureParameters, SignatureError> {
	const created = parameters.get("created");
	const expires = parameters.get("expires");
	const keyid = parameters.get("keyid");
	const nonce = parameters.get("nonce") ?? null;
	if (parameters.get("alg") !== "ed25519") return failed("signature_malformed", 'alg has to be "ed25519"');
	if (!isInstant(created) || !isInstant(expires)) {
		return failed("signature_malformed", "created and expires have to be whole Unix seconds");
	}
	if (typeof keyid !== "string" || keyid === "" || keyid.length > KEYID_LENGTH_MAX) {
		return failed("signature_malformed", `keyid has to be a string of 1 to ${KEYID_LENGTH_MAX} characters`);
	}
	if (nonce !== null && (typeof nonce !== "string" || !NONCE.test(nonce))) {
		return failed("signature_malformed", "nonce has to be a string of 16 to 64 letters, digits, - and _");
	}
	return ok({ created, expires, keyid, nonce });
}

function isInstant(value: unknown): value is Seconds {
	return Number.isSafeInteger(value) && (value as number) >= 0;
}

function failed(code: SignatureError["code"], message: string): Result<never, SignatureError> {
	return err({ code, message });
}
