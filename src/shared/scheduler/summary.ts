import { admits } from "../admission/health.ts";
import type { Load } from "../admission/reservations.ts";
import { snapshotReplicaModel } from "../perf/replica-model.ts";
import type { Seconds } from "../units.ts";
import type { Fleet } from "./fleet.ts";
import type { ReplicaName } from "./messages.ts";
import type { PeerReplica, PeerSummary } from "./peers.ts";

/** A replica that is used less is not worth telling of. */
const UTILISATION_MIN = 0.001;

/** Who tells whom, and the load that is told: a sibling adds up what each of them counts. */
interface Telling {
	readonly from: string;
	readonly to: "sibling" | "abroad";
	readonly load: (replica: ReplicaName) => Load;
}

/** What one scheduler tells another of its replicas: siblings its own load, other groups all load and what was learned. */
export function summaryOf({ replicas: all }: Fleet, { from, to, load }: Telling, now: Seconds): PeerSummary {
	const replicas = all.flatMap(({ entry, health, model, warmth }): PeerReplica[] => {
		const { name, maxConcurrency } = entry;
		const there = load(name);
		if (to === "sibling") return there.inFlight > 0 ? [{ ...loadOf(there), replica: name, open: true }] : [];
		const open = there.inFlight < admits(health, maxConcurrency, now).limit;
		const known = { model: snapshotReplicaModel(model), ...(warmth && { warmth: warmth.stored() }) };
		return [{ ...loadOf(there), replica: name, open, ...known }];
	});
	const utilisation: Record<ReplicaName, number> = {};
	for (const { entry, utilisation: rate } of all) {
		const perSecond = to === "sibling" ? rate.own(now) : rate.perSecond(now);
		if (perSecond >= UTILISATION_MIN) utilisation[entry.name] = perSecond;
	}
	return { from, replicas, utilisation };
}

/** A load as plain data: the book's own changes under whoever keeps it. */
function loadOf(load: Load): Load {
	const { inFlight, pendingTokens, decoding, heldTokens, residentTokens, outputTokens } = load;
	return { inFlight, pendingTokens, decoding, heldTokens, residentTokens, outputTokens };
}
