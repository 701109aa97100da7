import { FLEETS, type Fleet } from "./fleet.ts";
import { MISS_LEVELS, TABLE_LEVEL } from "./judge.ts";
import { FULL } from "./plan.ts";

const PERCENTS = MISS_LEVELS.map((level) => `${level * 100} %`).join(", ");

/** What a reader must know to judge the figures. */
export const COMPARED: readonly string[] = [
	`Traffic: Azure's 2023 traces of code and conversation, chosen at random and played so slowly that there are as many requests a second as the level says; six clients of ServeGen's pool m-large with equal shares, from a random day of its two weeks on, their gaps drawn window by window from its laws; timers with periods of 5.5 s, 66 s, 330 s, 630 s and 63 min, each a little over a usual keep-alive and with an equal share of the requests, as many timers as are needed for at most eight requests in the two seconds of a tick (periods that are too short for that are left out). The last two have the lengths of Azure's conversations. All have at least ${FULL.countMin} requests and ${FULL.secondsMin / 60} minutes; Azure's code has 8,819 requests.`,
	`Fleets for an own model of 8 billion parameters, with one worker a pool: ${FLEETS.map(fleetText).join("; ")}. Prices are those of \`data/prices\`. A worker is the replay's engine (continuous batching, as vLLM's) without a prefix cache; it is paid from the beginning of a start until it is gone, by the second. Requests that come while it starts wait there, but at the endpoint, which answers 503.`,
	"Starts: Huawei's 2025 quantiles of a platform's own part, and vLLM's load of a 4B model on an A4000 (flex and endpoint), or ServerlessLLM's loads from an H100's disks (snapshot), by 15 % longer or shorter; the endpoint looks once a minute. Ours believes at first what its prior says, which rests on rows of the A100 alone. A start beside n others of the provider takes (1 + n)^0.3 times as long. Starts of a pool within ten minutes of one another have the same luck, so that the bound can know it.",
	"Baselines see the true state and load of every worker and know all rates. Those that only say when workers are up (always warm, default and fixed time-outs, hybrid histogram) have the same router: the cheapest warm worker that has room for a first token within 80 % of the goal; when there is none, the request waits at the cheapest that starts (`wait`), or goes to the API and starts the cheapest one for those that follow, at once or after ten such requests within a minute (`spill`). Each chooses which workers to use at all; always warm with none is the API alone. The hybrid histogram is that of ATC 2020 over the idle times of all traffic, with an exponential mean in the place of ARIMA. Cheapest first goes by price alone, fastest by the expected first token alone, with workers that are up at first.",
	"Ours is the production scheduler core with an isolate beside it, told of answers, refusals and, where the provider tells it, statuses every 8 s; its catalog names GPUs, prices, providers and default idle times, and neither rates nor cold times.",
	`A miss is a first token later than 2 s, or none. All parameters of a policy are played; those that are undominated in cost and misses on the first half of the requests stand for it on the second half, by the lower convex hull of what they cost and miss there, with the API alone (and what is reserved) as a point of every policy's. Cost at equal misses is taken at ${PERCENTS} misses, against the best baseline at each; misses at equal cost at that baseline's cost. Figures in a row are of the cheapest parameters with at most ${TABLE_LEVEL * 100} % misses on the first half. Ratios are geometric means over levels and ${FULL.seeds} seeds.`,
	"The lower bound knows all arrivals, all starts and the API's luck: a Lagrangian bound with a price for misses, which takes each pool alone and lets it serve as much as its work allows, starting just in time (`bench/warmth/bound`). Nobody can cost less; that somebody could cost as little is not said.",
];

export const NOT_MODELLED: readonly string[] = [
	"Prefix caches and what a cold start loses of them; several workers a pool; failures other than refusals while starting; spot prices and capacity that is not to be had.",
	"Round trips, deadlines and lost calls between isolate and scheduler object (see the replay), several scheduler objects of one model, other tenants' traffic at a pool.",
	"Clients that give up or that wait for an answer before they send the next request.",
	"Providers' minimum bills (by the minute at Hugging Face), and the API's rate limits.",
	"Slowing Azure's traces stretches their bursts with everything else.",
];

function fleetText({ id, pools, api }: Fleet): string {
	const each = pools.map(({ id: name, usdPerSecond, zero, concurrency, engine }) => {
		const { prefillTokensPerSecond: prefill, stepSeconds } = engine;
		const price = zero
			? `$${usdPerSecond.toPrecision(2)} a second`
			: `reserved at $${(usdPerSecond * 3_600).toFixed(2)} an hour`;
		const idle = zero ? `, gone after ${zero.idleSeconds} s by default` : "";
		return `${name} (${price}, prefill ${prefill} tokens/s, ${(stepSeconds * 1_000).toFixed(1)} ms a step, ${concurrency} places${idle})`;
	});
	const tokens = `$${api.usdPerInputToken * 1e6} and $${api.usdPerOutputToken * 1e6} per million tokens`;
	return `${id}: ${each.join(", ")} and an API (${tokens}, first token in ${api.ttftMedian} s, log-normal with ${api.ttftSigma}, ${api.secondsPerOutputToken * 1_000} ms a token)`;
}
