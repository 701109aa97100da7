import { Counters } from "./counters.ts";
import { Engine } from "./engine.ts";
import type { CacheObserver } from "./prefix-cache.ts";
import type { Settings } from "./options.ts";
import { Pacer } from "./pacer.ts";

/** One life of an engine process: what is lost when it restarts. */
export class ServedModel {
	readonly counters: Counters;
	readonly engine: Engine;
	/** Null for a replica without delays: then the engine stands still and answers are made at once. */
	readonly pacer: Pacer | null;

	constructor(settings: Settings, observer: CacheObserver | null) {
		this.counters = new Counters(Date.now() / 1_000);
		this.engine = new Engine(settings.profile, this.counters, observer);
		this.pacer = Number.isFinite(settings.speed) ? new Pacer(this.engine, settings.speed) : null;
	}
}
