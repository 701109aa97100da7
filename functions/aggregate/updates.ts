import * as z from "zod";
import { readBytes } from "../../src/adapters/read-bytes.ts";
import { ENCODINGS } from "../../src/shared/federated/encoding.ts";
import { shardsOf } from "../../src/shared/federated/shard-plan.ts";
import { isSameDigest } from "../../src/shared/http/content-digest.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { runOf, shardOf } from "../../durable-objects/federated-objects.ts";
import type { OpenUpdate, RunFacts, Shown } from "../../durable-objects/run.messages.ts";
import { readShape } from "./body.ts";
import { clientOf, isSignedBy, nonceOf, NOT_SIGNED, readSigned, type SignedClient } from "./caller.ts";
import { factsOf, forgetUpdate } from "./objects.ts";
import { encodingOf, plannedParts } from "./parts.ts";
import { hashOf, newSecret } from "./secret.ts";

/** Digests of the parts of the largest models. */
const COMMIT_BYTES_MAX = 2 * 2 ** 20;
const TICKET_SECONDS = 60;
const METRICS_MAX = 32;

const finite = z.number().min(-Number.MAX_VALUE).max(Number.MAX_VALUE);

const commitBody = z.strictObject({
	encoding: z.enum(ENCODINGS),
	parts: z.array(z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in lower-case hex")).min(1),
	examples: finite,
	steps: finite.optional(),
	loss: finite.optional(),
	metrics: z
		.record(z.string().regex(/^[\w./-]{1,64}$/, "1 to 64 letters, digits and . _ / -"), finite)
		.default({})
		.refine((metrics) => Object.keys(metrics).length <= METRICS_MAX, `at most ${METRICS_MAX} metrics`),
});

/** `POST /v1/runs/{id}/updates/{update}/commit` */
export async function commitUpdate(request: Request, env: Env, run: string, update: string) {
	const signed = await signedBody(request, (body) => clientOf(body, env, run, "digested"), COMMIT_BYTES_MAX);
	if (!signed.ok) return signed;
	const { caller, bytes } = signed.value;
	const nonce = nonceOf(caller.signature);
	if (!nonce.ok) return nonce;
	const body = readShape(bytes, commitBody);
	if (!body.ok) return body;
	const { encoding, parts, metrics, examples, steps = null, loss = null } = body.value;
	const commit = { ...nonce.value, encoding, parts, metrics, report: { examples, steps, loss } };
	const decided = await runOf(env, run).commit(caller.client, update, commit);
	forgetUpdate(run, caller.client, update);
	return decided;
}

/** `GET /v1/runs/{id}/updates/{update}`: what it was answered; before that, which parts are there. */
export async function updateState(
	env: Env,
	facts: RunFacts,
	client: string | null,
	update: string,
	url: string,
): Promise<Result<Shown, IsobarError>> {
	const found = await runOf(env, facts.id).update(update);
	if (!found.ok) return found;
	if (client !== null && found.value["client"] !== client) {
		return err(isobarError("update_not_found", `This client has no task with the update ${update}`));
	}
	if ("object" in found.value) return ok(found.value);
	const encoding = encodingOf(url, facts);
	if (!encoding.ok) return encoding;
	const shards = shardsOf(facts.manifest.parameters, facts.specification.shard_parameters);
	const staged = await Promise.all(shards.map(({ shard }) => shardOf(env, facts.id, shard).parts(update)));
	const stored = staged.flat().filter((part) => part.encoding === encoding.value);
	const numbers = new Set(stored.map(({ part }) => part));
	const planned = plannedParts(facts, encoding.value);
	const { id, round, base } = found.value as OpenUpdate;
	return ok({
		object: "update",
		id,
		state: "open",
		round,
		base,
		encoding: encoding.value,
		parts: {
			total: planned.length,
			stored: stored.map(({ part, digest }) => ({ part, digest })),
			missing: planned.map(({ part }) => part).filter((part) => !numbers.has(part)),
		},
	});
}

const joinBody = z.strictObject({
	invitation: z.string().min(1).max(200),
	// The last character has four bits of the key; others would be the same key by another name.
	public_key: z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, "32 bytes in base64url, unused bits 0"),
	name: z.string().max(200).default(""),
});

/** `POST /v1/runs/{id}/clients`, signed with the key that joins. */
export async function joinRun(request: Request, env: Env, run: string) {
	const signed = await signedBody(request, async (body) => readSigned(body, "digested"));
	if (!signed.ok) return signed;
	const { caller, bytes } = signed.value;
	const nonce = nonceOf(caller.signature);
	if (!nonce.ok) return nonce;
	const facts = await factsOf(env, run);
	if (!facts.ok) return facts;
	const body = readShape(bytes, joinBody);
	if (!body.ok) return body;
	const { invitation, public_key: publicKey, name } = body.value;
	if (caller.signature.keyid !== publicKey) {
		const message = "A join is signed with the key that joins: keyid has to be public_key";
		return err(isobarError("signature_invalid", message, { param: "keyid" }));
	}
	if (!(await isSignedBy(caller.signature, publicKey))) return err(NOT_SIGNED);
	return runOf(env, run).join({ ...nonce.value, publicKey, name, tokenHash: await hashOf(invitation) });
}

/** `POST /v1/runs/{id}/tickets`: lets a browser, which cannot sign a WebSocket's request, open one. */
export async function makeTicket(env: Env, run: string, client: string): Promise<Result<object, IsobarError>> {
	const ticket = newSecret("tk_");
	const expiresAt = Date.now() / 1_000 + TICKET_SECONDS;
	const made = await runOf(env, run).makeTicket(client, await hashOf(ticket), expiresAt);
	return made.ok ? ok({ object: "ticket", ticket, expires_at: expiresAt }) : made;
}

/** Who has signed, and the body if it is the one that was signed. */
async function signedBody<T extends Pick<SignedClient, "signature" | "digest">>(
	request: Request,
	callerOf: (request: Request) => Promise<Result<T, IsobarError>>,
	bytesMax = 100_000,
): Promise<Result<{ readonly caller: T; readonly bytes: Uint8Array }, IsobarError>> {
	const caller = await callerOf(request);
	if (!caller.ok) return caller;
	const bytes = await readBytes(request, bytesMax);
	if (!bytes.ok) return bytes;
	const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.value));
	const { digest: signed } = caller.value;
	if (signed && isSameDigest(digest, signed)) return ok({ caller: caller.value, bytes: bytes.value });
	return err(isobarError("digest_mismatch", "The body is not the one that its Content-Digest names"));
}
