import { encode } from "../../src/shared/federated/encode.ts";
import type { Encoding } from "../../src/shared/federated/encoding.ts";
import { contentDigest } from "../../src/shared/http/content-digest.ts";
import { signerOf } from "../../src/shared/http/ed25519.ts";
import { signatureHeaders } from "../../src/shared/http/message-signature.ts";

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** JSON of an answer; tests look into it by name. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export interface Answer {
	readonly status: number;
	readonly body: Json;
}

export interface SignOptions {
	readonly nonce?: string | null;
	readonly created?: number;
	readonly expires?: number;
	readonly keyid?: string;
	/** Named in place of the body's own digest. */
	readonly digestOf?: Uint8Array<ArrayBuffer>;
	/** The body's Content-Digest, where it is known. */
	readonly contentDigest?: string;
	readonly headers?: Readonly<Record<string, string>>;
}

/** The operator's calls, with an API key. */
export class TestOperator {
	#url: string;
	readonly #key: string;
	readonly #fetch: Fetch;

	constructor(url: string, key: string, fetch: Fetch) {
		this.#url = url;
		this.#key = key;
		this.#fetch = fetch;
	}

	/** The same Isobar was started again elsewhere. */
	moveTo(url: string): void {
		this.#url = url;
	}

	async call(method: string, path: string, body?: unknown): Promise<Answer> {
		const init = body === undefined ? {} : { body: JSON.stringify(body) };
		const response = await this.raw(method, path, init);
		return { status: response.status, body: await response.json() };
	}

	raw(method: string, path: string, init: RequestInit = {}): Promise<Response> {
		const headers = { authorization: `Bearer ${this.#key}`, ...(init.headers as Record<string, string>) };
		return this.#fetch(this.#url + path, { ...init, method, headers });
	}

	/** A run that is running, with these weights in one tensor `w` unless the specification names others. */
	async startRun(specification: object, weights: Float32Array<ArrayBuffer>): Promise<string> {
		const model = { w: { dtype: "F32", shape: [weights.length], data_offsets: [0, weights.length * 4] } };
		const created = await this.call("POST", "/v1/runs", { model, ...specification });
		if (created.status !== 201) throw new Error(JSON.stringify(created.body));
		const run = created.body.id as string;
		const put = await this.raw("PUT", `/v1/runs/${run}/weights`, { body: safetensors(model, weights) });
		if (put.status !== 200) throw new Error(await put.text());
		await put.body?.cancel();
		const started = await this.call("POST", `/v1/runs/${run}/start`);
		if (started.status !== 200) throw new Error(JSON.stringify(started.body));
		return run;
	}

	async invitation(run: string, options: object = {}): Promise<string> {
		return (await this.call("POST", `/v1/runs/${run}/invitations`, options)).body.token as string;
	}

	async join(run: string, options: object = {}): Promise<TestClient> {
		const client = await TestClient.make(this.#url, run, this.#fetch);
		const joined = await client.join(await this.invitation(run, options));
		if (joined.status !== 201) throw new Error(JSON.stringify(joined.body));
		return client;
	}

	async weights(run: string, version: string | number = "latest"): Promise<Float32Array> {
		const response = await this.raw("GET", `/v1/runs/${run}/versions/${version}`);
		const bytes = await response.arrayBuffer();
		if (response.status !== 200) throw new Error(new TextDecoder().decode(bytes));
		const header = Number(new DataView(bytes).getBigUint64(0, true));
		return new Float32Array(bytes.slice(8 + header));
	}

	async version(run: string): Promise<number> {
		return (await this.call("GET", `/v1/runs/${run}`)).body.version as number;
	}

	/** The run once it has this version. */
	async untilVersion(run: string, version: number, seconds = 20): Promise<Json> {
		for (const start = Date.now(); ;) {
			const { body } = await this.call("GET", `/v1/runs/${run}`);
			if (body.version >= version) return body;
			if (Date.now() - start > seconds * 1_000) throw new Error(`no version ${version}: ${JSON.stringify(body)}`);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	}
}

/** A client of a run: everything that one does, each step by itself. */
export class TestClient {
	readonly run: string;
	readonly publicKey: string;
	#url: string;
	readonly #fetch: Fetch;
	readonly #keys: CryptoKeyPair;
	#id = "";

	private constructor(url: string, run: string, fetch: Fetch, keys: CryptoKeyPair, publicKey: string) {
		this.#url = url;
		this.run = run;
		this.#fetch = fetch;
		this.#keys = keys;
		this.publicKey = publicKey;
	}

	static async make(url: string, run: string, fetch: Fetch): Promise<TestClient> {
		const keys = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
		if (!("publicKey" in keys)) throw new Error("no pair of keys");
		const raw = await crypto.subtle.exportKey("raw", keys.publicKey);
		if (!(raw instanceof ArrayBuffer)) throw new Error("no raw key");
		return new TestClient(url, run, fetch, keys, base64url(new Uint8Array(raw)));
	}

	moveTo(url: string): void {
		this.#url = url;
	}

	get id(): string {
		return this.#id;
	}

	/** Of the run that this client belongs to, by a path below it. */
	async signed(
		method: string,
		path: string,
		body: Uint8Array<ArrayBuffer> | null = null,
		options: SignOptions = {},
	): Promise<Response> {
		const url = `${this.#url}/v1/runs/${this.run}${path}`;
		const headers = new Headers(options.headers);
		if (body) {
			headers.set("content-digest", options.contentDigest ?? (await digestOf(options.digestOf ?? body)));
		}
		const created = options.created ?? Math.floor(Date.now() / 1_000);
		const { expires = created + 120, keyid = this.#id, nonce = null } = options;
		const signature = await signatureHeaders(
			{ method, url, headers },
			{ created, expires, keyid, nonce },
			signerOf(this.#keys.privateKey),
		);
		for (const [name, value] of Object.entries(signature)) headers.set(name, value);
		return this.#fetch(url, { method, headers, ...(body && { body }) });
	}

	async call(method: string, path: string, body?: unknown, options: SignOptions = {}): Promise<Answer> {
		const bytes = body === undefined ? null : Uint8Array.from(new TextEncoder().encode(JSON.stringify(body)));
		const response = await this.signed(method, path, bytes, options);
		return { status: response.status, body: await response.json() };
	}

	async join(invitation: string, name = ""): Promise<Answer> {
		const body = { invitation, public_key: this.publicKey, name };
		const joined = await this.call("POST", "/clients", body, { keyid: this.publicKey, nonce: newNonce() });
		if (joined.status < 300) this.#id = joined.body.id as string;
		return joined;
	}

	/** The task, or null. */
	async task(query = ""): Promise<Json> {
		return (await this.call("GET", `/task${query}`)).body.task;
	}

	putPart(
		update: string,
		part: number,
		bytes: Uint8Array<ArrayBuffer>,
		encoding: Encoding = "f32",
		options?: SignOptions,
	) {
		return this.signed("PUT", `/updates/${update}/parts/${part}?encoding=${encoding}`, bytes, options);
	}

	/** Sends all parts of an update; gives their digests. */
	async putParts(update: string, values: Float32Array, encoding: Encoding = "f32"): Promise<string[]> {
		const plan = await this.call("GET", `/plan?encoding=${encoding}`);
		const digests: string[] = [];
		for (const { part, begin, end } of plan.body.parts as { part: number; begin: number; end: number }[]) {
			const bytes = encode(encoding, values.subarray(begin, end));
			const put = await this.putPart(update, part, bytes, encoding);
			if (put.status > 201) throw new Error(await put.text());
			const staged: Json = await put.json();
			digests.push(staged.digest);
		}
		return digests;
	}

	commit(update: string, parts: readonly string[], more: object = {}, options: SignOptions = {}): Promise<Answer> {
		const body = { encoding: "f32", parts, examples: 1, ...more };
		return this.call("POST", `/updates/${update}/commit`, body, { nonce: newNonce(), ...options });
	}

	/** Takes the task at hand and answers it with these values; the decision. */
	async contribute(
		values: Float32Array,
		more: { readonly encoding?: Encoding; readonly [name: string]: unknown } = {},
	) {
		const task = await this.task("?wait=10");
		if (!task) throw new Error("there is no task");
		const parts = await this.putParts(task.update, values, more.encoding);
		return this.commit(task.update, parts, more);
	}
}

/** The header Content-Digest of a body. */
export async function digestOf(body: Uint8Array<ArrayBuffer>): Promise<string> {
	return contentDigest(new Uint8Array(await crypto.subtle.digest("SHA-256", body)));
}

export function newNonce(): string {
	return base64url(crypto.getRandomValues(new Uint8Array(18)));
}

export function base64url(bytes: Uint8Array): string {
	return btoa(String.fromCharCode(...bytes))
		.replaceAll("+", "-")
		.replaceAll("/", "_")
		.replaceAll("=", "");
}

/** A safetensors file of this header and data. */
export function safetensors(
	header: object,
	data: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
	const json = new TextEncoder().encode(JSON.stringify(header));
	const head = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
	head.set(json);
	const file = new Uint8Array(8 + head.length + data.byteLength);
	new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
	file.set(head, 8);
	file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + head.length);
	return file;
}
