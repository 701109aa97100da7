import * as z from "zod";
import { readBytes } from "../../src/adapters/read-bytes.ts";
import { problemsError } from "../../src/shared/catalog/problems.ts";
import { readSpecification } from "../../src/shared/federated/read-specification.ts";
import type { IsobarError } from "../../src/shared/http/errors.ts";
import { err, type Result } from "../../src/shared/result.ts";
import { runOf } from "../../durable-objects/federated-objects.ts";
import type { RunFacts, Shown } from "../../durable-objects/run.messages.ts";
import { parseJson, readBody } from "./body.ts";
import { newRunId } from "./objects.ts";
import { hashOf, newSecret } from "./secret.ts";

/** A specification, with a header of ten thousand tensors. */
const SPECIFICATION_BYTES_MAX = 4 * 2 ** 20;

/** `POST /v1/runs` */
export async function createRun(request: Request, env: Env, tenant: string): Promise<Result<Shown, IsobarError>> {
	const bytes = await readBytes(request, SPECIFICATION_BYTES_MAX);
	if (!bytes.ok) return bytes;
	const json = parseJson(bytes.value);
	if (!json.ok) return json;
	const read = readSpecification(json.value);
	if (!read.ok) return err(problemsError("specification_invalid", "The specification does not fit", read.error));
	const { specification, manifest } = read.value;
	const id = newRunId();
	return runOf(env, id).create(id, tenant, specification, manifest);
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
