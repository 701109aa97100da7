import { combine, seeded } from "../../test/simulator/random.ts";
import { fullSpeed, pooledLimit } from "./capacity.ts";
import { enginesOf, usdPerHour } from "./fleet.ts";
import { metricsOf, type Metrics } from "./metrics.ts";
import { isobarRouter, type Circumstances } from "./policies/isobar.ts";
import { OTHERS } from "./policies/all.ts";
import { policyRouter } from "./policies/router.ts";
import { fleetOf, type Setting } from "./settings.ts";
import { simulate, type Outcome, type Restart, type Router, type World } from "./simulate.ts";
import { atSpeed, type Trace } from "./trace.ts";
import type { TraceStore } from "./traces/load.ts";
import type { Half } from "./traces/sample.ts";

/** Who routes. Plain data, as it goes to a worker. */
export type Contestant =
	| { readonly kind: "limit" }
	| { readonly kind: "ours"; readonly options: Circumstances; readonly variant: number }
	| { readonly kind: "other"; readonly id: string; readonly variant: number };

/** Several contestants on the same requests and the same machines. */
export interface Job {
	readonly setting: Setting;
	readonly half: Half;
	readonly seed: number;
	/** Share of the trace, in (0, 1]. */
	readonly size: number;
	/** Each replica loses its cache once in the judged part, one after the other. */
	readonly restarts: boolean;
	readonly contestants: readonly Contestant[];
}

/** One for each contestant. The same job has the same outcome wherever it runs. */
export async function runJob(store: TraceStore, job: Job): Promise<Metrics[]> {
	const { setting, half, seed, size, restarts, contestants } = job;
	const fleet = fleetOf(setting);
	const sample = await store.sample(setting.trace, half, combine(seed, half === "first" ? 1 : 2), size);
	const engines = enginesOf(fleet, seeded(combine(seed, 3)));
	const trace = atSpeed(sample, setting.load * fullSpeed(sample, engines));
	const lost = restarts ? restartsIn(trace, engines.length) : [];
	return contestants.map((contestant) => {
		const outcome = play(contestant);
		return metricsOf(trace, outcome, usdPerHour(fleet));
	});

	function play(contestant: Contestant): Outcome {
		if (contestant.kind === "limit") return pooledLimit(trace, engines);
		return simulate(trace, engines, routerOf(contestant), lost);
	}

	function routerOf(contestant: Exclude<Contestant, { kind: "limit" }>): (world: World) => Router {
		if (contestant.kind === "ours")
			return isobarRouter(fleet, contestant.options, contestant.variant, combine(seed, 4));
		const policy = OTHERS.find(({ id }) => id === contestant.id)!;
		return policyRouter(policy.create(contestant.variant), seeded(combine(seed, 5)));
	}
}

function restartsIn({ requests, judgedFrom }: Trace, replicas: number): Restart[] {
	const span = requests.at(-1)!.at - judgedFrom;
	return Array.from({ length: replicas }, (_, replica) => ({
		at: judgedFrom + ((replica + 0.5) / replicas) * span,
		replica,
	}));
}
