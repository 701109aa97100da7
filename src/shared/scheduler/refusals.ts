import { retryAfter } from "../admission/expected-wait.ts";
import type { CatalogModel } from "../catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../http/errors.ts";
import type { Seconds } from "../units.ts";
import { contextNeed } from "./context-need.ts";
import type { Circumstances, Decision } from "./decide.ts";
import type { Explanation } from "./explanation.ts";
import { PROMPT_MEMBER, type AssignReply, type AssignRequest } from "./messages.ts";

const NO_DECISION: Explanation = { replicas: [], rejected: [], values: [] };

export function refused(error: IsobarError, explanation = NO_DECISION): AssignReply {
	return { kind: "refused", error, explanation };
}

/** Why no replica can take this request now or later: the first rule that all of them fail, said so that the client can
 *  mend it. Undefined when some replica could once it has room. */
export function refusalOf(
	decision: Decision,
	request: AssignRequest,
	model: CatalogModel,
	circumstances: Circumstances,
): IsobarError | undefined {
	const count = (rule: Parameters<typeof decision.rejections.get>[0]): number => decision.rejections.get(rule) ?? 0;
	if (count("concurrency") + count("slow_start") + count("waking") > 0) return undefined;
	const name = JSON.stringify(request.model);
	if (model.replicas.length === 0) {
		return isobarError("no_healthy_replica", `No pool serves the model ${name}.`, { param: "model" });
	}
	if (count("unhealthy") > 0) {
		const message = `Every replica of ${name} that could answer is put aside after failures.`;
		return isobarError("no_healthy_replica", message, { retryAfter: Math.min(60, decision.recoversIn) });
	}
	if (count("excluded") + count("retry_budget") > 0) {
		return isobarError("no_healthy_replica", `No other replica of ${name} may be tried.`, { retryAfter: 1 });
	}
	if (count("price_ceiling") > 0) {
		const message = `Every pool of ${name} that could answer is expected to cost more than the ceiling of $${request.policy.priceCeiling}.`;
		return isobarError("constraint_unmet", message, { param: "isobar.price_ceiling_usd" });
	}
	if (count("region") > 0) {
		const message = `No pool of ${name} that could answer is in the allowed regions (${request.policy.regions?.join(", ")}).`;
		return isobarError("constraint_unmet", message, {
			param: "isobar.regions",
			details: { regions: request.policy.regions },
		});
	}
	if (count("privacy") > 0) {
		const message = `No pool of ${name} that could answer is in a privacy zone that the prompt may go to (${request.policy.privacy}).`;
		return isobarError("constraint_unmet", message, { param: "isobar.route.require.privacy" });
	}
	if (count("max_usd") > 0) {
		const message = `At every pool of ${name} that could answer the request could cost more than its max_usd.`;
		return isobarError("constraint_unmet", message, { param: "isobar.route.max_usd" });
	}
	if (count("context") > 0) {
		const { prompt, answer } = contextNeed(request, circumstances.promptTokens);
		const needed = prompt + answer;
		const message = `The request needs about ${needed} tokens of context (${prompt} for the prompt, ${answer} for the answer); the longest context of ${name} is ${model.longestContext}.`;
		return isobarError("context_too_long", message, {
			param: PROMPT_MEMBER[request.endpoint],
			details: { needed, longest: model.longestContext },
		});
	}
	const message = `No pool of ${name} can do all that the request asks for: ${request.needs.join(", ")}.`;
	return isobarError("capability_missing", message, { details: { needs: request.needs } });
}

/** Shed: the wait would be longer than the request tolerates, or the room is full. */
export function overloaded(wait: Seconds, tolerable: Seconds, why: string, spread: number): IsobarError {
	return isobarError("overloaded", `${why} Try again later.`, {
		retryAfter: retryAfter(Math.min(wait, 3_600), tolerable, spread),
		details: {
			expected_wait_seconds: Number.isFinite(wait) ? Math.round(wait * 10) / 10 : null,
			tolerated_seconds: tolerable,
		},
	});
}
