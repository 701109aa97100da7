import type * as z from "zod";
import { isobarError, type ErrorCode, type IsobarError } from "../http/errors.ts";

/** One thing that is wrong with a document, or worth a warning, and where: `pools[0].replicas[2].url`. */
export interface Problem {
	readonly path: string;
	readonly message: string;
}

/** An answer lists this many; one mistake repeated in ten thousand replicas need not be read ten thousand times. */
const PROBLEMS_SHOWN_MAX = 100;

/** `["pools", 0, "replicas", 2, "url"]` as `pools[0].replicas[2].url`. */
export function pathText(path: readonly PropertyKey[]): string {
	let text = "";
	for (const step of path) {
		if (typeof step === "number") text += `[${step}]`;
		else if (/^[A-Za-z_$][\w$]*$/.test(String(step))) text += text === "" ? String(step) : `.${String(step)}`;
		else text += `[${JSON.stringify(String(step))}]`;
	}
	return text;
}

/** zod's issues as problems, one for each unknown field. */
export function problemsFrom(error: z.ZodError, prefix: readonly PropertyKey[] = []): Problem[] {
	return error.issues.flatMap((issue) => {
		const path = [...prefix, ...issue.path];
		if (issue.code === "unrecognized_keys") {
			return issue.keys.map((key) => ({ path: pathText([...path, key]), message: "unknown field" }));
		}
		return [{ path: pathText(path), message: readable(issue.message) }];
	});
}

/** One error for all problems: the message shows the first, `param` where it is, `details` up to a hundred of them. */
export function problemsError(code: ErrorCode, what: string, problems: readonly Problem[]): IsobarError {
	const [first] = problems;
	const where = first?.path ? `${first.path}: ` : "";
	const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
	return isobarError(code, `${what}: ${where}${first?.message ?? "invalid"}${more}`, {
		...(first?.path && { param: first.path }),
		details: { problems: problems.slice(0, PROBLEMS_SHOWN_MAX), problems_total: problems.length },
	});
}

function readable(message: string): string {
	const missing = /^Invalid input: expected (.+), received undefined$/.exec(message);
	if (missing) return `missing (expected ${missing[1]})`;
	const plain = message.replace(/^Invalid (input|option): /, "");
	return plain.charAt(0).toLowerCase() + plain.slice(1);
}
