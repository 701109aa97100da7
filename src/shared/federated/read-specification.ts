import { problemsFrom, type Problem } from "../catalog/problems.ts";
import { err, ok, type Result } from "../result.ts";
import { checkSpecification } from "./check-specification.ts";
import type { Manifest } from "./manifest.ts";
import { readHeader } from "./safetensors.ts";
import { specificationSchema, type Specification } from "./specification.ts";

/** Bytes of `client_configuration` as JSON: every task carries it. */
const CONFIGURATION_BYTES_MAX = 65_536;

/** Reads the body of `POST /v1/runs`: every fault that it has, not just the first. */
export function readSpecification(
	body: unknown,
): Result<{ readonly specification: Specification; readonly manifest: Manifest }, readonly Problem[]> {
	if (typeof body !== "object" || body === null || Array.isArray(body)) {
		return err([{ path: "", message: "a specification is a JSON object" }]);
	}
	const { model, ...rest } = body as Record<string, unknown>;
	const manifest = readHeader(model);
	const parsed = specificationSchema.safeParse(rest);
	const problems: Problem[] = [];
	if (!manifest.ok) {
		problems.push({
			path: "model",
			message: model === undefined ? "missing (expected a safetensors header)" : manifest.error.message,
		});
	}
	if (!parsed.success) problems.push(...problemsFrom(parsed.error));
	else if (JSON.stringify(parsed.data.client_configuration).length > CONFIGURATION_BYTES_MAX) {
		problems.push({ path: "client_configuration", message: `more than ${CONFIGURATION_BYTES_MAX} characters of JSON` });
	}
	if (!manifest.ok || !parsed.success || problems.length > 0) return err(problems);
	const unfit = checkSpecification(parsed.data, manifest.value.manifest);
	return unfit.length > 0 ? err(unfit) : ok({ specification: parsed.data, manifest: manifest.value.manifest });
}
