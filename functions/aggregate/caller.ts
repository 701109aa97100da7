import { isolateAuthenticator, keyFromHeaders } from "../../src/adapters/authenticate.ts";
import { isobarError, type ErrorCode, type IsobarError } from "../../src/shared/http/errors.ts";
import { readContentDigest } from "../../src/shared/http/content-digest.ts";
import { verifierOf } from "../../src/shared/http/ed25519.ts";
import { readSignature, type ReadSignature, type SignatureError } from "../../src/shared/http/message-signature.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import type { RunFacts } from "../../durable-objects/run.messages.ts";
import { clientKey, factsOf, RUN_NOT_FOUND } from "./objects.ts";

export interface Operator {
	readonly tenant: string;
}

/** A client whose signature was verified. */
export interface SignedClient {
	readonly facts: RunFacts;
	readonly client: string;
	readonly signature: ReadSignature;
	/** SHA-256 that the signed Content-Digest names; null where there is no body. */
	readonly digest: Uint8Array<ArrayBuffer> | null;
}

/** What a request's body is to its signature. */
type Body = "none" | "digested";

/** The tenant whose API key a request carries, if the key may have to do with runs. */
export async function tenantOf(
	request: Request,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<string, IsobarError>> {
	const key = await isolateAuthenticator(env).authenticate(request.headers, (promise) => ctx.waitUntil(promise));
	if (!key.ok) return key;
	const { id, tenant, federated } = key.value;
	if (federated) return ok(tenant);
	return err(
		isobarError("runs_not_allowed", `The key ${id} has nothing to do with federated runs: "federated" is false`),
	);
}

/** The run, to who may operate it. */
export async function operatorOf(
	request: Request,
	env: Env,
	ctx: ExecutionContext,
	run: string,
): Promise<Result<RunFacts, IsobarError>> {
	const tenant = await tenantOf(request, env, ctx);
	if (!tenant.ok) return tenant;
	const facts = await factsOf(env, run);
	if (!facts.ok) return facts;
	return facts.value.tenant === tenant.value ? facts : err(RUN_NOT_FOUND);
}

/** The client that has signed a request. */
export async function clientOf(
	request: Request,
	env: Env,
	run: string,
	body: Body = "none",
): Promise<Result<SignedClient, IsobarError>> {
	const read = readSigned(request, body);
	if (!read.ok) return read;
	const facts = await factsOf(env, run);
	if (!facts.ok) return facts;
	const { signature, digest } = read.value;
	const key = await clientKey(env, run, signature.keyid);
	if (!key) return err(isobarError("client_unknown", `The run has no client ${signature.keyid}`));
	const valid = await isSignedBy(signature, key.publicKey);
	if (!valid) return err(NOT_SIGNED);
	if (key.isExpelled) return err(isobarError("client_expelled", `The client ${key.client} was expelled from this run`));
	return ok({ facts: facts.value, client: key.client, signature, digest });
}

/** The run, to its operator or to one of its clients, who reads only. */
export async function readerOf(
	request: Request,
	env: Env,
	ctx: ExecutionContext,
	run: string,
): Promise<Result<{ readonly facts: RunFacts; readonly client: string | null }, IsobarError>> {
	if (!request.headers.has("signature-input") && keyFromHeaders(request.headers) !== null) {
		const facts = await operatorOf(request, env, ctx, run);
		return facts.ok ? ok({ facts: facts.value, client: null }) : facts;
	}
	return clientOf(request, env, run);
}

/** A signature that is yet to be verified, with the digest that it covers. */
export function readSigned(
	request: Request,
	body: Body,
): Result<Pick<SignedClient, "signature" | "digest">, IsobarError> {
	const signature = readSignature(request, body === "digested", Date.now() / 1_000);
	if (!signature.ok) return err(signatureError(signature.error));
	if (body === "none") return ok({ signature: signature.value, digest: null });
	const digest = readContentDigest(request.headers.get("content-digest"));
	if (digest.ok) return ok({ signature: signature.value, digest: digest.value });
	const message = "Send the header Content-Digest: sha-256=:BASE64: over the body";
	return err(isobarError("digest_missing", message, { param: "content-digest" }));
}

/** Whether a public key, in base64url, has made a signature. */
export async function isSignedBy({ signature, base }: ReadSignature, publicKey: string): Promise<boolean> {
	const bytes = bytesOf(publicKey);
	const verify = bytes && (await verifierOf(bytes));
	return verify ? verify(signature, base) : false;
}

/** Null when it is no base64url. */
function bytesOf(base64url: string): Uint8Array<ArrayBuffer> | null {
	try {
		const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
		return Uint8Array.from(text, (char) => char.charCodeAt(0));
	} catch {
		return null;
	}
}

/** The nonce of a signature that must have one. */
export function nonceOf({ nonce, expires }: ReadSignature): Result<{ nonce: string; expiresAt: number }, IsobarError> {
	if (nonce !== null) return ok({ nonce, expiresAt: expires });
	const message = "The signature of this request needs the parameter nonce, new for each request";
	return err(isobarError("nonce_missing", message, { param: "nonce" }));
}

export const NOT_SIGNED = isobarError(
	"signature_invalid",
	"The signature was not made by this client's key of this request",
);

const SIGNATURE_CODES: Readonly<Record<SignatureError["code"], ErrorCode>> = {
	signature_missing: "signature_missing",
	signature_malformed: "signature_invalid",
	signature_incomplete: "signature_invalid",
	signature_expired: "signature_expired",
	signature_early: "signature_expired",
};

function signatureError({ code, message }: SignatureError): IsobarError {
	const text = `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
	return isobarError(SIGNATURE_CODES[code], text, { details: { reason: code } });
}
