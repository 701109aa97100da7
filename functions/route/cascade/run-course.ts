import type { Ladder } from "../../../src/shared/router/cascade/ladder.ts";
import { RUNGS_MAX, VOTERS_MIN } from "../../../src/shared/router/bounds.ts";
import { ladderOf } from "../../../src/shared/router/cascade/ladder-of.ts";
import type { Rung } from "../../../src/shared/router/cascade/rung.ts";
import type { Ranked } from "../../../src/shared/router/choice.ts";
import type { RoutePlan } from "../../../src/shared/router/route-plan.ts";
import type { ModelRoute } from "../planned.ts";
import type { Call, Prepared } from "../prepared.ts";
import { climb, isAway, type Climb } from "./climb.ts";
import { countVotes } from "./count-votes.ts";
import { Course } from "./course.ts";
import type { Ended } from "./ended.ts";
import { finish } from "./finish.ts";

/** Answers a request by a cascade or a vote. */
export async function runCourse(prepared: Prepared, route: ModelRoute, call: Call): Promise<Response> {
	const course = new Course(prepared, route, call);
	try {
		const ended = route.plan.mode === "vote" ? await vote(course) : await cascade(course);
		return finish(course, ended);
	} catch (error) {
		course.cancelRest();
		throw error;
	}
}

const WINDOW = 0.1;
const TARGET = 0.9;
/** How many vote where the router does not say who. */
const VOTERS = 3;
/** Expected of models of which nothing is known, where a ladder is named: its order is all that is known. */
const CHEAP_UNKNOWN = 0.7;
const TOP_UNKNOWN = 0.85;

async function cascade(course: Course): Promise<Ended> {
	const { plan } = course;
	const { models = null, accept, window = WINDOW, verifier: verifierId } = plan.router.cascade ?? {};
	const places = placesOf(plan);
	// It judges one answer; of several nobody's word on the first would hold for the others.
	const isOne = course.prepared.planned.request.choicesGiven === 1;
	const verifier = (isOne && places.find(({ rung }) => rung.model === verifierId)) || null;
	const found = ladderOf(
		places.map(({ rung }) => rung),
		models ?? (isJudged(plan) ? null : byPrice(places, plan.router.incumbent)),
		verifier?.rung ?? null,
	);
	if (!found) return oneOf(course, places);
	const ladder = isJudged(plan) ? found : unknown(found);
	const ranked = [...ladder.cheap, ladder.top].map(
		({ model }) => places.find(({ rung }) => rung.model === model)!.ranked,
	);
	const terms: Climb["terms"] = {
		valueOfQuality: plan.router.quality_usd,
		valueOfSecond: course.prepared.planned.policy.valueOfSecond,
		accept: accept ?? null,
		floor: plan.router.quality_floor ?? 0,
		halfWidth: window,
	};
	return climb(course, { ladder, ranked, verifier: verifier?.ranked ?? null, terms });
}

async function vote(course: Course): Promise<Ended> {
	const { plan } = course;
	const { models, target = TARGET } = plan.router.vote ?? {};
	const places = placesOf(plan);
	const byQuality = places.toSorted((a, b) => b.rung.quality - a.rung.quality);
	const chosen = models
		? models.flatMap((id) => places.find(({ rung }) => rung.model === id) ?? [])
		: byQuality.slice(0, VOTERS);
	if (chosen.length < VOTERS_MIN) return oneOf(course, places);
	const rungs = chosen.map(({ rung }) => (isJudged(plan) ? rung : { ...rung, quality: CHEAP_UNKNOWN }));
	return countVotes(
		course,
		rungs,
		chosen.map(({ ranked }) => ranked),
		target,
	);
}

/** One model, where no two of those that were named may answer: the best, and the next where its pools are away. */
async function oneOf(course: Course, places: readonly Place[]): Promise<Ended> {
	const told = { why: "no_ladder", probability: null, guard: null };
	let ended: Ended | null = null;
	for (const { ranked } of places) {
		const planned = course.at(ranked);
		const stop = course.stopBefore(planned);
		if (stop) return { ...(ended ?? { ...told, stage: null, answer: null }), stop };
		const { stage, response } = course.start(planned, "top");
		// What is not given is let go.
		const answer = await response;
		if (ended?.answer instanceof Response) await ended.answer.body?.cancel();
		ended = { ...told, stage, answer, stop: null };
		if (course.isLeft || !isAway(answer)) break;
	}
	return ended!;
}

interface Place {
	readonly rung: Rung;
	readonly ranked: Ranked;
}

/** Each model once, at the pool where it is expected to answer best. */
function placesOf({ ranked }: RoutePlan): Place[] {
	const places: Place[] = [];
	for (const each of ranked) {
		const { option, candidate } = each;
		const { usd, seconds, outputTokens, model } = option;
		if (places.some(({ rung }) => rung.model === model.id)) continue;
		places.push({ rung: { model: model.id, quality: candidate.quality, usd, seconds, outputTokens }, ranked: each });
	}
	return places;
}

/** A ladder where nothing is known of the prompt: the incumbent, or the dearest, above the two cheapest. */
function byPrice(places: readonly Place[], incumbent: string | undefined): string[] {
	const models = places.toSorted((a, b) => a.rung.usd - b.rung.usd).map(({ rung }) => rung.model);
	const top = incumbent !== undefined && models.includes(incumbent) ? incumbent : models.at(-1);
	const cheap = models.slice(0, models.indexOf(top ?? "")).slice(0, RUNGS_MAX - 1);
	return top === undefined ? [] : [...cheap, top];
}

function isJudged({ estimate, explanation }: RoutePlan): boolean {
	return estimate !== null && explanation.unjudged === undefined && explanation.in_domain;
}

function unknown({ cheap, top, verifier }: Ladder): Ladder {
	return {
		cheap: cheap.map((rung) => ({ ...rung, quality: CHEAP_UNKNOWN })),
		top: { ...top, quality: TOP_UNKNOWN },
		verifier,
	};
}
