import { argmin, type Choose, type Policy } from "./policy.ts";

export interface SglangSettings {
	/** Share of the prompt that has to match. */
	readonly threshold: number;
	readonly abs: number;
	readonly rel: number;
}

const CLI = { threshold: 0.3, abs: 64, rel: 1.5 };
const SMG = { threshold: 0.5, abs: 32, rel: 1.1 };

/** Cache-aware routing of SGLang's gateway: while loads are in balance (largest and least differ by no more than `abs`, or by
 *  no more than `rel` times) the longest match if it is above the threshold, else the least loaded. */
const choose: Choose<SglangSettings> = (request, views, { threshold, abs, rel }) => {
	const loads = views.map((view) => view.inFlight);
	const most = Math.max(...loads);
	const least = Math.min(...loads);
	const leastLoaded = argmin(views, (view) => view.inFlight);
	if (most - least > abs && most > rel * least) return leastLoaded;
	// Equal matches go to the less loaded: the tree itself would name any of them.
	const best = argmin(views, ({ matched, inFlight }) => -matched + inFlight / 1e6);
	const rate = views[best]!.matched / Math.max(1, request.blocks.length);
	return rate > threshold ? best : leastLoaded;
};

export const sglangCli: Policy<SglangSettings> = {
	id: "sglang_cli",
	title: "SGLang .3/64/1.5",
	settings: [CLI],
	create: () => choose,
};

export const sglangSmg: Policy<SglangSettings> = {
	id: "sglang_smg",
	title: "SMG .5/32/1.1",
	settings: [SMG],
	create: () => choose,
};

export const sglangTuned: Policy<SglangSettings> = {
	id: "sglang_tuned",
	title: "SGLang cache-aware, tuned",
	settings: [
		CLI,
		SMG,
		...[0.1, 0.5].flatMap((threshold) => [2, 6, 16].map((abs) => ({ threshold, abs, rel: abs < 16 ? 1.1 : 1.5 }))),
	],
	create: () => choose,
};
