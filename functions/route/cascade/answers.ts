import type { Answer } from "../../../src/shared/router/cascade/answer.ts";
import { FAILED, judge, type Judged } from "../../../src/shared/router/cascade/judged.ts";
import { readPlainAnswer } from "../../../src/shared/router/cascade/read-answer.ts";
import { readStreamedAnswer } from "../../../src/shared/router/cascade/read-stream.ts";
import { requestedShape, type RequestedShape } from "../../../src/shared/router/cascade/schema-check.ts";
import type { StopReason } from "../../../src/shared/router/cascade/budget.ts";
import { member } from "../../../src/shared/http/json-members.ts";
import { jsonAt } from "../../../src/shared/http/json-values.ts";
import type { Ranked } from "../../../src/shared/router/choice.ts";
import type { Seconds } from "../../../src/shared/units.ts";
import type { StageRole } from "../prepared.ts";
import type { RoutedRequest } from "../read-request.ts";
import type { Course } from "./course.ts";
import { held, type HeldAnswer, type StageCall } from "./stage.ts";

interface Asked {
	readonly stage: StageCall;
	readonly response: Promise<Response>;
}

/** The answers of a course's models, by their place in its ladder or vote: each is asked once, and held until it is judged. */
export class Answers {
	readonly #course: Course;
	readonly #ranked: readonly Ranked[];
	readonly #asked = new Map<number, Asked>();
	readonly #held = new Map<number, HeldAnswer | null>();
	readonly #shape: RequestedShape;
	readonly judged: (Judged | null)[];

	constructor(course: Course, ranked: readonly Ranked[]) {
		this.#course = course;
		this.#ranked = ranked;
		this.#shape = shapeOf(course.prepared.planned.request);
		this.judged = ranked.map(() => null);
	}

	/** Why it may not be asked; null where it may, or has been. */
	stopBefore(index: number): StopReason | null {
		return this.#asked.has(index) ? null : this.#course.stopBefore(this.#course.at(this.#ranked[index]!));
	}

	/** Asks, and waits for nothing. */
	start(index: number, role: StageRole): Asked {
		let asked = this.#asked.get(index);
		if (!asked) this.#asked.set(index, (asked = this.#course.start(this.#course.at(this.#ranked[index]!), role)));
		return asked;
	}

	/** The whole answer, judged. */
	async hear(index: number, role: StageRole): Promise<void> {
		const { stage, response } = this.start(index, role);
		this.take(index, await withHeld(response), stage);
	}

	take(index: number, answer: HeldAnswer | null, stage: StageCall): void {
		stage.end();
		this.#held.set(index, answer);
		const judged = answer?.status === 200 ? this.#judge(answer, stage) : FAILED;
		stage.fault = judged.fault;
		this.judged[index] = judged;
	}

	/** What was held of it; null where there is nothing. */
	heldOf(index: number): HeldAnswer | null {
		return this.#held.get(index) ?? null;
	}

	stageOf(index: number): StageCall | null {
		return this.#asked.get(index)?.stage ?? null;
	}

	answerOf(index: number): Answer | null {
		const answer = this.heldOf(index);
		return answer && read(answer);
	}

	/** Calls off an answer that nobody waits for any more. */
	drop(index: number): void {
		const asked = this.#asked.get(index);
		if (!asked || this.judged[index]) return;
		asked.stage.cancel();
		void asked.response.then((response) => response.body?.cancel()).catch(() => {});
	}

	#judge(answer: HeldAnswer, { record }: StageCall): Judged {
		const { choices, maxTokens } = this.#course.prepared.planned.request;
		const tokens = record && record.completion_tokens > 0 ? record.completion_tokens / choices : null;
		return judge(read(answer), this.#shape, maxTokens !== null, tokens);
	}
}

function read({ headers, body }: HeldAnswer): Answer | null {
	const isStream = (headers.get("content-type") ?? "").startsWith("text/event-stream");
	return isStream ? readStreamedAnswer(body) : readPlainAnswer(body);
}

async function withHeld(response: Promise<Response>): Promise<HeldAnswer | null> {
	try {
		return await held(await response);
	} catch {
		// A bug, which its dispatch has logged and settled; here it is an answer that there is none of.
		return null;
	}
}

function shapeOf({ json, members, endpoint }: RoutedRequest): RequestedShape {
	if (endpoint !== "chat") return requestedShape({});
	const [response_format, tools, functions] = ["response_format", "tools", "functions"].map((name) => {
		const span = member(members, name)?.value;
		return span && jsonAt(json, span);
	});
	return requestedShape({ response_format, tools, functions });
}

/** How often it is looked, once the time is over, whether there is something to fall back on. */
const LOOK_SECONDS: Seconds = 0.05;

/** Resolves when `done` does, or once the time is over and there is something to fall back on. */
export async function until(
	done: Promise<unknown>,
	seconds: Seconds,
	mayStop: () => boolean,
): Promise<"done" | "time"> {
	const ended = done.then(() => "done" as const);
	if (seconds === Infinity) return ended;
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<"time">((resolve) => {
		const look = (): void => {
			if (mayStop()) resolve("time");
			else timer = setTimeout(look, LOOK_SECONDS * 1_000);
		};
		timer = setTimeout(look, Math.max(0, seconds) * 1_000);
	});
	try {
		return await Promise.race([ended, late]);
	} finally {
		clearTimeout(timer);
	}
}
