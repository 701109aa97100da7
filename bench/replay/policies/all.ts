import { aibrix } from "./aibrix.ts";
import { dynamo } from "./dynamo.ts";
import { leastRequests } from "./least-requests.ts";
import { llmdAffinity, llmdApproximate } from "./llm-d.ts";
import { lmetric } from "./lmetric.ts";
import type { Policy } from "./policy.ts";
import { prefixRing } from "./prefix-ring.ts";
import { roundRobin } from "./round-robin.ts";
import { sglangCli, sglangSmg, sglangTuned } from "./sglang.ts";
import { smgLeastLoad } from "./smg-least-load.ts";

/** The routers that ours is compared with. */
export const OTHERS: readonly Policy<never>[] = [
	roundRobin,
	leastRequests,
	smgLeastLoad,
	prefixRing,
	sglangCli,
	sglangSmg,
	sglangTuned,
	lmetric,
	aibrix,
	llmdApproximate,
	llmdAffinity,
	dynamo,
];
