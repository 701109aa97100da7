import type { ClientEvent } from "../../../clients/typescript/src/events.ts";
import { MemoryStore } from "../../../clients/typescript/src/store.ts";
import { publicKeyOf, Transport, type Backoff } from "../../../clients/typescript/src/transport.ts";
import { readContentDigest } from "../../../src/shared/http/content-digest.ts";
import { verifierOf } from "../../../src/shared/http/ed25519.ts";
import { readSignature, type ReadSignature } from "../../../src/shared/http/message-signature.ts";

export type Answer = (request: Request, signature: ReadSignature) => Response | Promise<Response>;

/** A run's end of the wire: it checks every signature and digest as the Worker does, then answers what a test says, in turn; the
 *  last answer again and again. */
export class FakeRun {
	readonly signatures: ReadSignature[] = [];
	readonly requests: Request[] = [];
	readonly events: ClientEvent[] = [];
	readonly abort = new AbortController();
	readonly #answers: readonly Answer[];
	#publicKey = "";
	/** Unix seconds that its clock is ahead. */
	clockAhead = 0;

	constructor(...answers: readonly Answer[]) {
		this.#answers = answers;
	}

	async transport(backoff: Partial<Backoff> = {}): Promise<Transport> {
		const keys = await new MemoryStore().keys();
		this.#publicKey = await publicKeyOf(keys);
		const transport = new Transport({
			url: "https://Isobar.example.com:443/v1/runs/run_1",
			keys,
			backoff: { first: 0.001, max: 0.002, giveUp: 10, ...backoff },
			onEvent: (event) => this.events.push(event),
			fetch: (input, init) => this.#fetch(new Request(input, init)),
			signal: this.abort.signal,
		});
		transport.keyid = "cl_1";
		return transport;
	}

	async #fetch(request: Request): Promise<Response> {
		const now = Date.now() / 1_000 + this.clockAhead;
		const body = new Uint8Array(await request.clone().arrayBuffer());
		const read = readSignature(request, body.length > 0, now);
		if (!read.ok)
			return refusal(401, read.error.code === "signature_early" ? "signature_expired" : read.error.code, now);
		const key = Uint8Array.from(Buffer.from(this.#publicKey, "base64url"));
		const verify = await verifierOf(key);
		if (!(await verify!(read.value.signature, read.value.base))) throw new Error("the signature is not the key's");
		if (body.length > 0) {
			const digest = readContentDigest(request.headers.get("content-digest"));
			const actual = Buffer.from(await crypto.subtle.digest("SHA-256", body));
			if (!digest.ok || !actual.equals(digest.value)) throw new Error("the digest is not the body's");
		}
		const answer = this.#answers[Math.min(this.requests.length, this.#answers.length - 1)]!;
		this.requests.push(request);
		this.signatures.push(read.value);
		return answer(request, read.value);
	}
}

export function refusal(status: number, code: string, now = Date.now() / 1_000, headers: object = {}): Response {
	const error = { message: `it is ${code}`, code, details: { of: code } };
	return Response.json({ error }, { status, headers: { date: new Date(now * 1_000).toUTCString(), ...headers } });
}
