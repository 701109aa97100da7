import { DurableObject } from "cloudflare:workers";
import { usdFromNano } from "../src/shared/money/nano.ts";
import { dayOf } from "../src/shared/ledger/periods.ts";
import { learn, viewOf } from "../src/shared/router/learn.ts";
import type { RouterPort, RouterState, ShadowAsk } from "../src/shared/router/messages.ts";
import type { OnlineView, RouterSetup } from "../src/shared/router/online-view.ts";
import type { AnchorRow, Outcome } from "../src/shared/router/outcome.ts";
import { domainsOf } from "../src/shared/router/router-state.ts";
import { mayShadow } from "../src/shared/router/shadow.ts";
import { settingsFrom, type Settings } from "../src/shared/settings.ts";
import type { NanoUsd, Seconds } from "../src/shared/units.ts";
import { Gather } from "./gather.ts";
import { ROUTER_MIGRATIONS } from "./router.migrations.ts";
import { RouterStore } from "./router.store.ts";
import { migrate } from "./sql-migrations.ts";

/** Calls this close together are committed together; about what a commit costs. */
const GATHER_SECONDS: Seconds = 0.004;
const PURGE_SECONDS: Seconds = 3_600;
/** What was learned ages; a view is made anew after this also where nothing new was said. */
const VIEW_SECONDS_MAX: Seconds = 3_600;

/** What one tenant's router has been told of its models. Its name is `TENANT:ROUTER`: nobody else's word gets here. */
export class Router extends DurableObject<Env> implements RouterPort {
	readonly #settings: Settings;
	readonly #store: RouterStore;
	readonly #gather = new Gather(GATHER_SECONDS);
	#view: { readonly value: OnlineView; readonly setup: string } | null = null;
	#alarmAt: Seconds = Infinity;

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		this.#settings = settingsFrom(env.SETTINGS);
		migrate(ctx.storage, ROUTER_MIGRATIONS);
		this.#store = new RouterStore(ctx.storage);
	}

	async tell(outcomes: readonly Outcome[]): Promise<void> {
		await this.#gather.turn(clock());
		this.#store.tell(outcomes);
		await this.#arm();
	}

	/** Made anew when there is something new, but not for every isolate that asks. */
	async view(setup: RouterSetup): Promise<OnlineView> {
		const now = clock();
		this.#store.configure(setup, now);
		const key = JSON.stringify(setup);
		const held = this.#view;
		if (held?.setup === key) {
			const age = now - held.value.madeAt;
			const isCurrent = held.value.revision === this.#store.revision && age < VIEW_SECONDS_MAX;
			if (isCurrent || age < this.#settings.routerViewSeconds / 2) return held.value;
		}
		const value = viewOf(this.#learned(setup, now), this.#store.revision, now);
		this.#view = { value, setup: key };
		return value;
	}

	async state(setup: RouterSetup): Promise<RouterState> {
		const now = clock();
		this.#store.configure(setup, now);
		const learned = this.#learned(setup, now);
		const day = dayOf(now);
		const { settled, held } = this.#store.spending(day);
		return {
			revision: this.#store.revision,
			incumbent: setup.incumbent,
			labelled_prompts: learned.labelled,
			domains: domainsOf(learned),
			observed: this.#store.observed(),
			versions: this.#store.versions(),
			shadow: { day, spent_usd: usdFromNano(settled), held_usd: usdFromNano(held) },
		};
	}

	async label(setup: RouterSetup, rows: readonly AnchorRow[]): Promise<void> {
		const now = clock();
		this.#store.configure(setup, now);
		this.#store.label(rows, now);
	}

	async reset(): Promise<void> {
		this.#store.reset();
		this.#view = null;
	}

	async shadow(ask: ShadowAsk): Promise<boolean> {
		const held = this.#store.hold(ask, (spending) => mayShadow(spending, ask.worst, ask.budget));
		await this.#arm();
		return held;
	}

	async shadowPaid(id: string, nano: NanoUsd): Promise<void> {
		this.#store.pay(id, nano);
	}

	override async alarm(): Promise<void> {
		const now = clock();
		this.#alarmAt = Infinity;
		// A request's record outlives it by `recordHours`: what was said of older ones stays said.
		const more = this.#store.purge(now - (this.#settings.recordHours + 1) * 3_600, dayOf(now));
		if (more) await this.#arm(0);
		else if (!this.#store.isEmpty) await this.#arm();
	}

	#learned(setup: RouterSetup, now: Seconds): ReturnType<typeof learn> {
		return learn(setup, this.#store.moving(), this.#store.labels(), now);
	}

	/** One that was set in an earlier life is kept: an object that is evicted between two words would put it off for ever. */
	async #arm(seconds: Seconds = PURGE_SECONDS): Promise<void> {
		const wanted = clock() + seconds;
		if (this.#alarmAt === Infinity) this.#alarmAt = ((await this.ctx.storage.getAlarm()) ?? Infinity) / 1_000;
		if (this.#alarmAt <= wanted) return;
		this.#alarmAt = wanted;
		await this.ctx.storage.setAlarm(wanted * 1_000);
	}
}

function clock(): Seconds {
	return Date.now() / 1_000;
}
