import { problemsFrom, type Problem } from "../catalog/problems.ts";
import { err, ok, type Result } from "../result.ts";
import { checkSpecification } from "./check-specification.ts";
import type { Manifest } from "./manifest.ts";
import { readHeader } from "./safetensors.ts";
import { specificationSchema, type Specification } from "./specification.ts";

/** Characters of `client_configuration` as JSON: every task carries it. */
const CONFIGURATION_LENGTH_MAX = 65_536;
const CONFIGURATION_DEPTH_MAX = 32;

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
	else problems.push(...configurationProblems(parsed.data.client_configuration));
	if (!manifest.ok || !parsed.success || problems.length > 0) return err(problems);
	const unfit = checkSpecification(parsed.data, manifest.value.manifest);
	return unfit.length > 0 ? err(unfit) : ok({ specification: parsed.data, manifest: manifest.value.manifest });
}

function configurationProblems(configuration: Readonly<Record<string, unknown>>): readonly Problem[] {
	const problem = (message: string) => [{ path: "client_configuration", message }];
	if (isDeeper(configuration, CONFIGURATION_DEPTH_MAX)) {
		return problem(`nested more than ${CONFIGURATION_DEPTH_MAX} levels deep`);
	}
	return JSON.stringify(configuration).length > CONFIGURATION_LENGTH_MAX
		? problem(`more than ${CONFIGURATION_LENGTH_MAX} characters of JSON`)
		: [];
}

function isDeeper(value: unknown, depth: number): boolean {
	if (typeof value !== "object" || value === null) return false;
	return depth === 0 || Object.values(value).some((member) => isDeeper(member, depth - 1));
}
