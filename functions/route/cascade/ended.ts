import type { StopReason } from "../../../src/shared/router/cascade/budget.ts";
import type { CourseExplanation } from "../../../src/shared/router/explanation.ts";
import type { HeldAnswer, StageCall } from "./stage.ts";

/** What a course has come to. */
export interface Ended {
	/** The stage whose answer is the client's; null where nothing was asked. */
	readonly stage: StageCall | null;
	/** Held, or on its way; null where there is none. */
	readonly answer: HeldAnswer | Response | null;
	readonly why: string;
	readonly probability: number | null;
	readonly stop: StopReason | null;
	readonly guard: CourseExplanation["guard"];
}
