import { RecentMap } from "../../../src/shared/catalog/recent-map.ts";
import type { CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import type { WaitUntil } from "../../../src/adapters/catalog-cache.ts";
import type { Outlook } from "../../../src/shared/scheduler/messages.ts";
import { schedulerName, schedulerOptions } from "../../../src/shared/scheduler/name.ts";
import { ModelOutlook } from "../../../src/shared/router/model-outlook.ts";
import type { Seconds } from "../../../src/shared/units.ts";
import { schedulerOf, withinDeadline } from "../objects.ts";

/** A word of a scheduler that is older is asked for anew, behind the request. */
const FRESH_SECONDS: Seconds = 2;
/** How long a request waits for the first word of schedulers that this isolate has never asked. */
const FIRST_SECONDS: Seconds = 0.05;
/** After this a call that has not come back no longer keeps others from asking. */
const CALL_SECONDS: Seconds = 3;
/** Calls that one request makes at most; the next asks the rest. */
const CALLS_MAX = 16;

/** More than a catalog has: what it no longer has is forgotten. */
const MODELS_MAX = 2_000;
const SCHEDULERS_MAX = 8_000;

interface Asked {
	at: Seconds;
	pending: boolean;
	heard: boolean;
}

/** How the pools of all models stand, as far as this isolate has heard. */
export class Outlooks {
	readonly #outlooks = new RecentMap<string, ModelOutlook>(MODELS_MAX);
	/** By scheduler. */
	readonly #asked = new RecentMap<string, Asked>(SCHEDULERS_MAX);

	of(model: CatalogModel, now: Seconds): ModelOutlook {
		let outlook = this.#outlooks.get(model.id);
		if (!outlook) this.#outlooks.set(model.id, (outlook = new ModelOutlook()));
		outlook.configure(model, now);
		return outlook;
	}

	/** Asks the schedulers of these models for what is not fresh. Resolves at once, but where some was never heard of: then when those
	 *  have answered, and very soon in any case. */
	async refresh(
		models: readonly CatalogModel[],
		catalogVersion: number,
		edge: string,
		env: Env,
		waitUntil: WaitUntil,
	): Promise<void> {
		const now = Date.now() / 1_000;
		const first: Promise<void>[] = [];
		let calls = 0;
		for (const model of models) {
			for (const group of model.groups) {
				if (calls === CALLS_MAX) break;
				// Of shards the first tells all load, and has learned as much as any other.
				const place = { group, shard: 0 };
				const name = schedulerName(model.id, place);
				const asked = this.#asked.get(name) ?? { at: -Infinity, pending: false, heard: false };
				const isWaitedFor = asked.pending && now - asked.at < CALL_SECONDS;
				if (isWaitedFor || (!asked.pending && now - asked.at < FRESH_SECONDS)) continue;
				this.#asked.set(name, Object.assign(asked, { at: now, pending: true }));
				const stub = schedulerOf(env, name, schedulerOptions(model, place));
				const call = withinDeadline(CALL_SECONDS, stub.outlook(model.id, catalogVersion, edge));
				const heard = call.then(
					(outlook: Outlook) => this.#hear(model, asked, outlook),
					() => void (asked.pending = false),
				);
				waitUntil(heard);
				if (!asked.heard) first.push(heard);
				calls++;
			}
		}
		if (first.length > 0) await withinDeadline(FIRST_SECONDS, Promise.all(first)).catch(() => {});
	}

	#hear(model: CatalogModel, asked: Asked, outlook: Outlook): void {
		const now = Date.now() / 1_000;
		this.of(model, now).hear(outlook, now);
		asked.pending = false;
		asked.heard = true;
	}
}
