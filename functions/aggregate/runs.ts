import * as z from "zod";
import { RunStore } from "../../src/adapters/catalog-run-store.ts";
import { readBytes } from "../../src/adapters/read-bytes.ts";
import { problemsError } from "../../src/shared/catalog/problems.ts";
import { specificationDigest } from "../../src/shared/federated/audit.ts";
import { readSpecification } from "../../src/shared/federated/read-specification.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { runOf } from "../../durable-objects/federated-objects.ts";
import type { RunFacts, Shown } from "../../durable-objects/run.messages.ts";
import { parseJson, readBody } from "./body.ts";
import { forgetRun, newRunId } from "./objects.ts";
import { hashOf, newSecret } from "./secret.ts";

/** A specification, with a header of ten thousand tensors. */
const SPECIFICATION_BYTES_MAX = 4 * 2 ** 20;

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

interface Created {
	readonly run: Shown;
	/** False where an earlier request with the same key has made it. */
	readonly isNew: boolean;
}

/** `POST /v1/runs`. The list of runs has it before its object is there, so that no run is without a place in the list. */
export async function createRun(request: Request, env: Env, tenant: string): Promise<Result<Created, IsobarError>> {
	const key = request.headers.get("idempotency-key");
	if (key !== null && !IDEMPOTENCY_KEY.test(key)) {
		const message = "Idempotency-Key is 1 to 255 visible ASCII characters";
		return err(isobarError("invalid_request", message, { param: "idempotency-key" }));
	}
	const bytes = await readBytes(request, SPECIFICATION_BYTES_MAX);
	if (!bytes.ok) return bytes;
	const json = parseJson(bytes.value);
	if (!json.ok) return json;
	const read = readSpecification(json.value);
	if (!read.ok) return err(problemsError("specification_invalid", "The specification does not fit", read.error));
	const { specification, manifest } = read.value;
	const digest = await specificationDigest({ specification, manifest });
	const asked = key === null ? null : { key, digest };
	const added = await new RunStore(env.CATALOG).add(newRunId(), tenant, asked, Date.now() / 1_000);
	if (!added.ok) return added;
	const { id, isNew } = added.value;
	if (asked && added.value.digest !== digest) {
		const message = "This Idempotency-Key came before with another specification";
		return err(isobarError("idempotency_key_reused", message, { param: "idempotency-key", details: { run: id } }));
	}
	const run = await runOf(env, id).create(id, tenant, specification, manifest);
	return run.ok ? ok({ run: run.value, isNew }) : run;
}

/** `DELETE /v1/runs/{id}`. The list forgets it first: a call that breaks off is repeated, and finds the run. */
export async function removeRun(env: Env, id: string): Promise<Result<Shown, IsobarError>> {
	const removed = await new RunStore(env.CATALOG).remove(id);
	if (!removed.ok) return removed;
	forgetRun(id);
	return runOf(env, id).remove();
}

const rollbackBody = z.strictObject({ version: z.number().int().min(0).max(1e9) });

/** `POST /v1/runs/{id}/rollback` */
export async function rollBack(request: Request, env: Env, { id }: RunFacts): Promise<Result<Shown, IsobarError>> {
	const body = await readBody(request, rollbackBody);
	return body.ok ? runOf(env, id).rollback(body.value.version) : body;
}

const YEAR_SECONDS = 31_536_000;
const WEEK_SECONDS = 604_800;

const invitationBody = z.strictObject({
	uses: z.number().int().min(1).max(1_000_000).default(1),
	expires_in_seconds: z.number().positive().max(YEAR_SECONDS).default(WEEK_SECONDS),
	weight_max: z.number().positive().max(1e9).optional(),
	label: z.string().max(200).default(""),
});

/** `POST /v1/runs/{id}/invitations`: the token is in this answer only; what is stored is its hash. */
export async function invite(request: Request, env: Env, { id }: RunFacts): Promise<Result<Shown, IsobarError>> {
	const body = await readBody(request, invitationBody);
	if (!body.ok) return body;
	const { uses, label, weight_max: weightCap = null, expires_in_seconds: seconds } = body.value;
	const token = newSecret("isoinv_");
	const invitation = { uses, label, weightCap, expiresAt: Date.now() / 1_000 + seconds };
	const made = await runOf(env, id).invite({ ...invitation, tokenHash: await hashOf(token) });
	return made.ok ? { ok: true, value: { ...made.value, token } } : made;
}
