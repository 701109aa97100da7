import type { LocationHint } from "../src/shared/catalog/schema.ts";
import type { CatalogModel } from "../src/shared/catalog/snapshot.ts";
import type { SchedulerCore } from "../src/shared/scheduler/core.ts";
import type { SchedulerPort } from "../src/shared/scheduler/messages.ts";
import { schedulerName, schedulerOptions, type SchedulerPlace } from "../src/shared/scheduler/name.ts";
import type { PeerSummary } from "../src/shared/scheduler/peers.ts";

/** How often loads are exchanged. */
const SHARE_MS = 1_000;

/** The namespace of the schedulers, as far as it is needed here. */
interface Schedulers {
	getByName(name: string, options: { locationHint?: LocationHint }): Pick<SchedulerPort, "share">;
}

/** The other schedulers of a model: tells them once a second what this one has in flight, for as long as that is anything, and
 *  once more when it is nothing any more. A word that is lost is made up for by the next. */
export class PeerLine {
	readonly #core: SchedulerCore;
	readonly #schedulers: Schedulers;
	#place: SchedulerPlace | undefined;
	#model: CatalogModel | undefined;
	#version = -1;
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor(core: SchedulerCore, schedulers: Schedulers) {
		this.#core = core;
		this.#schedulers = schedulers;
	}

	configure(model: CatalogModel | undefined, version: number, place: SchedulerPlace): void {
		this.#model = model;
		this.#version = version;
		this.#place = place;
	}

	/** Something may be in flight: sees to it that the others hear of it. */
	wake(): void {
		if (this.#timer !== undefined || !this.#hasPeers) return;
		this.#tell();
		this.#timer = setTimeout(() => this.#again(), SHARE_MS);
	}

	/** Hears another's summary. One of another group gets this one's in return. */
	answer(summary: PeerSummary): PeerSummary | null {
		const kind = this.#hear(summary);
		return kind === "abroad" ? this.#summary(kind) : null;
	}

	#hear(summary: PeerSummary): "sibling" | "abroad" | undefined {
		const { group } = this.#place ?? {};
		if (group === undefined || !this.#model) return undefined;
		const kind = summary.from.startsWith(`${this.#model.id}/${group}/`) ? "sibling" : "abroad";
		this.#core.hear(summary, kind, Date.now() / 1_000);
		return kind;
	}

	#summary(to: "sibling" | "abroad"): PeerSummary {
		const from = schedulerName(this.#model!.id, this.#place);
		return this.#core.summary(from, to, Date.now() / 1_000);
	}

	get #hasPeers(): boolean {
		return this.#model !== undefined && (this.#shards > 1 || this.#model.groups.length > 1);
	}

	get #shards(): number {
		return this.#model?.model.scheduler_shards ?? 1;
	}

	#again(): void {
		this.#timer = undefined;
		if (this.#core.inFlight + this.#core.waiting > 0) this.wake();
		else if (this.#hasPeers) this.#tell();
	}

	#tell(): void {
		if (!this.#model || !this.#place) return;
		const model = this.#model;
		const { id, groups } = model;
		const { group, shard } = this.#place;
		const version = this.#version;
		const send = (place: SchedulerPlace, summary: PeerSummary): void => {
			// A peer that cannot be reached counts as one that has nothing in flight, and hears again in a second.
			this.#schedulers
				.getByName(schedulerName(id, place), schedulerOptions(model, place))
				.share(id, version, summary)
				.then(
					(answer) => void (answer && this.#hear(answer)),
					() => {},
				);
		};
		if (this.#shards > 1) {
			const summary = this.#summary("sibling");
			for (let other = 0; other < this.#shards; other++) if (other !== shard) send({ group, shard: other }, summary);
		}
		if (groups.length > 1) {
			const summary = this.#summary("abroad");
			for (const other of groups) if (other !== group) send({ group: other, shard }, summary);
		}
	}
}
