import { RUNGS_MAX } from "../bounds.ts";
import { acceptanceThreshold, type AcceptanceTerms } from "./acceptance.ts";
import { agreement, expectedAgreement } from "./agreement.ts";
import type { AnswerKind } from "./answer-key.ts";
import type { Ladder } from "./ladder.ts";
import type { Rung } from "./rung.ts";
import { approval, withVerdict } from "./verifier.ts";

/** Of a ladder's models those that may serve the request, from cheap to strong; null where fewer than two may. A named ladder keeps
 *  its own order. Without one the top is the model of the greatest expected quality, and below it stand up to two that together
 *  cost the least. */
export function ladderOf(
	candidates: readonly Rung[],
	named: readonly string[] | null,
	verifier: Rung | null,
): Ladder | null {
	if (named) {
		const rungs = named.flatMap((id) => candidates.find(({ model }) => model === id) ?? []);
		const top = rungs.at(-1);
		return rungs.length < 2 || !top
			? null
			: { cheap: rungs.slice(0, RUNGS_MAX - 1).filter((r) => r !== top), top, verifier };
	}
	const top = candidates.reduce<Rung | null>(
		(best, rung) =>
			!best || rung.quality > best.quality || (rung.quality === best.quality && rung.usd < best.usd) ? rung : best,
		null,
	);
	if (!top) return null;
	const cheap = candidates
		.filter((rung) => rung !== top && rung.usd < top.usd)
		.sort((a, b) => a.usd - b.usd)
		.slice(0, RUNGS_MAX - 1)
		// The better one is judged first: its answer is the one that is taken.
		.sort((a, b) => b.quality - a.quality);
	return cheap.length === 0 ? null : { cheap, top, verifier };
}

/** Shares of a ladder's requests, 0 to 1. */
export interface Course {
	/** That reach the top. */
	readonly escalation: number;
	/** That ask the second cheap model, and the verifier. */
	readonly second: number;
	readonly verifier: number;
}

/** What the estimates alone expect of a ladder. Of what kind the answers will be nobody knows yet; they are taken for numbers. */
export function expectedCourse({ cheap, top, verifier }: Ladder, terms: AcceptanceTerms): Course {
	const [first, second] = cheap;
	const alone = first!.quality;
	const threshold = acceptanceThreshold(top, alone, terms);
	if (alone >= threshold) return { escalation: 1 - alone, second: 0, verifier: 0 };
	const agreed = second ? agreedQuality(alone, second.quality) : 0;
	if (second && agreed >= threshold) {
		return { escalation: 1 - expectedAgreement(alone, second.quality), second: 1, verifier: 0 };
	}
	if (!verifier || withVerdict(alone, true) < threshold) return { escalation: 1, second: 0, verifier: 0 };
	return { escalation: 1 - approval(alone), second: 0, verifier: 1 };
}

function agreedQuality(first: number, second: number): number {
	const key = { kind: "number" as AnswerKind, key: "" };
	return agreement([first, second].map((quality) => ({ quality, key })))[0]!.probability;
}
