import { DurableObject } from "cloudflare:workers";
import { D1CatalogSource } from "../src/adapters/catalog-source.ts";
import { logBug } from "../src/adapters/log-bug.ts";
import { buildSnapshot } from "../src/shared/catalog/snapshot.ts";
import type { Catalog } from "../src/shared/catalog/schema.ts";
import { EngineEvents } from "../src/shared/kv/events/engine-events.ts";
import type { SequencedBatch } from "../src/shared/kv/events/event.ts";
import type {
	EventReply,
	EventSource,
	HeldRow,
	KvPort,
	KvQuestion,
	KvStats,
} from "../src/shared/kv/events/messages.ts";
import { assignEach } from "../src/shared/scheduler/assign-each.ts";
import { SchedulerCore } from "../src/shared/scheduler/core.ts";
import { kvLookup } from "../src/shared/scheduler/kv-lookup.ts";
import type {
	AssignReply,
	AssignRequest,
	Bill,
	FleetStatus,
	Outlook,
	SchedulerMail,
	SchedulerPort,
} from "../src/shared/scheduler/messages.ts";
import { outlookOf } from "../src/shared/scheduler/outlook.ts";
import { placeInName } from "../src/shared/scheduler/name.ts";
import type { PeerSummary } from "../src/shared/scheduler/peers.ts";
import { fleetStatus } from "../src/shared/scheduler/status.ts";
import { settingsFrom } from "../src/shared/settings.ts";
import { migrate } from "./sql-migrations.ts";
import { schedulerMigrations } from "./scheduler.migrations.ts";
import { PeerLine } from "./scheduler.peers.ts";
import { PrefixKeeper } from "./scheduler.prefixes.ts";
import { Probes } from "./scheduler.probes.ts";
import { SchedulerStore, type KeptCatalog } from "./scheduler.store.ts";
import { Turns } from "./scheduler.turns.ts";
import { WarmthWatch } from "./scheduler.warmth.ts";

/** Seconds between two alarms while there is something to look after. Fewer than an object without calls stays in memory (10 in
 *  workerd): load, places and shares of time of long requests are known only here. */
const ALARM_SECONDS = 8;
/** Acts of its own come no faster than this. */
const ACT_SECONDS_MIN = 1;

/** Knows the replicas of one base model: their load, health and speed. One object per (model, region group, shard), named
 *  `model/group/shard`. Decisions are `SchedulerCore`'s; this class gives it a clock, storage and a network. */
export class Scheduler extends DurableObject<Env> implements SchedulerPort, KvPort {
	readonly #store: SchedulerStore;
	readonly #core: SchedulerCore;
	readonly #events: EngineEvents;
	readonly #keeper: PrefixKeeper;
	readonly #warmth: WarmthWatch;
	readonly #turns = new Turns(() => this.#core.tick(Date.now() / 1_000));
	readonly #peers: PeerLine;
	readonly #probes: Probes;
	#version = -1;
	/** The kept catalog, while it is read: what needs one waits for it. */
	#restoring: Promise<void> | undefined;
	#loading: Promise<void> | undefined;
	#alarmAt = 0;

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		migrate(ctx.storage, schedulerMigrations);
		this.#store = new SchedulerStore(ctx.storage);
		const learned = this.#store.learned();
		const settings = settingsFrom(env.SETTINGS);
		this.#core = new SchedulerCore({
			settings,
			rng: Math.random,
			onTurn: (reservation, reply) => this.#turns.tell(reservation, reply),
			...(learned && { learned }),
			engines: { extents: (chainFor) => this.#events.extents(chainFor) },
		});
		this.#events = new EngineEvents({
			blocksMax: settings.kvEventBlocksMax,
			onEmptied: (replica) => this.#core.prefixes.forget(replica),
			onCapacity: (replica, tokens) => this.#core.prefixes.holdsAtMost(replica, tokens),
		});
		this.#keeper = new PrefixKeeper(this.#core, this.#store, env, (replica, startedAt) => {
			this.#core.prefixes.forget(replica);
			this.#events.forget(replica, startedAt);
		});
		this.#warmth = new WarmthWatch(this.#core, env);
		this.#peers = new PeerLine(this.#core, env.SCHEDULER);
		// The engine that answers now may have an empty cache. Requests need not wait to know.
		this.#probes = new Probes(this.#core, env, (replica) => ctx.waitUntil(this.#keeper.look(replica)));
		// Renewals may come before the first request that would bring the catalog.
		const kept = this.#store.catalog();
		if (kept) this.#restoring = this.#restore(kept).finally(() => (this.#restoring = undefined));
	}

	async assign(
		requests: readonly AssignRequest[],
		mail: SchedulerMail,
	): Promise<{ replies: (AssignReply | null)[]; bills: Bill[] }> {
		for (const { model, catalogVersion: version } of requests)
			if (version > this.#version) await this.#load(model, version);
		if (this.#core.warmths.any) await this.#warmth.ask();
		const now = Date.now() / 1_000;
		const bills = this.#core.mail(mail, now);
		const replies = assignEach(this.#core, requests, now, (id, error) => logBug(error, id));
		for (const [i, { reservation }] of requests.entries())
			if (replies[i]?.kind === "queued") this.#turns.expect(reservation);
		this.#tendWarmth(now);
		this.#look(now);
		this.#peers.wake();
		return { replies, bills };
	}

	async mail(mail: SchedulerMail): Promise<Bill[]> {
		await this.#restoring;
		const now = Date.now() / 1_000;
		const bills = this.#core.mail(mail, now);
		this.#tendWarmth(now);
		this.#look(now);
		return bills;
	}

	waitTurn(reservation: string): Promise<AssignReply | null> {
		return this.#turns.wait(reservation);
	}

	async leave(reservation: string): Promise<void> {
		this.#turns.forget(reservation);
		this.#core.leave(reservation, Date.now() / 1_000);
	}

	async share(model: string, catalogVersion: number, summary: PeerSummary): Promise<PeerSummary | null> {
		if (catalogVersion > this.#version) await this.#load(model, catalogVersion);
		return this.#peers.answer(summary);
	}

	async outlook(model: string, catalogVersion: number, edge: string): Promise<Outlook> {
		if (catalogVersion > this.#version) await this.#load(model, catalogVersion);
		return outlookOf(this.#core, model, this.ctx.id.name ?? model, edge, Date.now() / 1_000);
	}

	async status(model: string, catalogVersion: number): Promise<FleetStatus> {
		if (catalogVersion > this.#version) await this.#load(model, catalogVersion);
		return fleetStatus(this.#core, Date.now() / 1_000);
	}

	async kvEvents(
		model: string,
		catalogVersion: number,
		source: EventSource,
		batches: readonly SequencedBatch[],
	): Promise<EventReply | null> {
		if (catalogVersion > this.#version) await this.#load(model, catalogVersion);
		if (!this.#core.fleet.get(source.replica)) return null;
		this.#core.prefixes.heard(source.replica, Date.now() / 1_000);
		return this.#events.accept(source, batches);
	}

	async kvLookup(model: string, catalogVersion: number, question: KvQuestion): Promise<HeldRow[]> {
		if (catalogVersion > this.#version) await this.#load(model, catalogVersion);
		return kvLookup(this.#core, this.#events, model, question);
	}

	async kvStats(model: string, catalogVersion: number): Promise<KvStats> {
		if (catalogVersion > this.#version) await this.#load(model, catalogVersion);
		return this.#events.stats();
	}

	override async alarm(): Promise<void> {
		await this.#restoring;
		this.#alarmAt = 0;
		const now = Date.now() / 1_000;
		this.#core.tick(now);
		this.#turns.tidy(now);
		let more = false;
		if (this.#version >= 0) {
			this.#store.keepLearned(this.#core.learned());
			more = this.#keeper.keep();
			// Whoever does not answer must not hold up the alarm.
			this.ctx.waitUntil(this.#keeper.watch());
		}
		this.#tendWarmth(now);
		await this.#probes.run(now);
		this.#look(now, more);
	}

	/** Wakes what is due. Which pool is being started has to outlive an eviction, or it would be started twice: neither a call that
	 *  wakes it nor the answer that lets a request start it leaves before this is written. */
	#tendWarmth(now: number): void {
		const keeping = this.#core.keeping.due(now);
		const due = this.#core.wakes.due(now);
		if (this.#core.warmths.takeChange()) this.#store.keepLearned(this.#core.learned());
		for (const each of due) this.ctx.waitUntil(this.#thenLook(this.#warmth.wake(each)));
		for (const each of keeping) this.ctx.waitUntil(this.#thenLook(this.#warmth.keep(each)));
		this.#warmth.log();
	}

	/** What a call has changed decides when there is something to do next. */
	async #thenLook(call: Promise<void>): Promise<void> {
		await call;
		const now = Date.now() / 1_000;
		this.#core.tick(now);
		this.#tendWarmth(now);
		this.#look(now);
	}

	/** Probes what is due, and sees to it that an alarm comes while anything is in flight, waits or is to be probed. */
	#look(now: number, busy = false): void {
		let isBusy = busy || this.#core.inFlight > 0 || this.#core.waiting > 0;
		isBusy ||= this.#core.warmths.wakingPools(now).size > 0;
		if (this.#probes.areAwaited) {
			isBusy = true;
			const probes = this.#probes.run(now);
			if (probes) this.ctx.waitUntil(probes);
		}
		// What keeps a replica warm, or starts it before it is needed, comes when nothing else happens.
		const at = Math.max(
			now + ACT_SECONDS_MIN,
			Math.min(isBusy ? now + ALARM_SECONDS : Infinity, this.#core.keeping.nextAt),
		);
		if (at === Infinity || (this.#alarmAt > now && this.#alarmAt <= at)) return;
		this.#alarmAt = at;
		// At the first request after a pause as well: much may have happened meanwhile.
		this.ctx.waitUntil(this.#warmth.watch());
		this.ctx.waitUntil(this.ctx.storage.setAlarm(this.#alarmAt * 1_000));
	}

	async #restore(catalog: Promise<KeptCatalog | undefined>): Promise<void> {
		const kept = await catalog;
		if (!kept) return;
		this.#configure(kept.model, kept.version, kept.catalog);
		this.#keeper.restore();
	}

	/** Brings the catalog up to the version that the isolate has seen. When D1 is gone the one that was kept serves on. */
	async #load(model: string, version: number): Promise<void> {
		await this.#restoring;
		if (version <= this.#version) return;
		this.#loading ??= this.#loadNow(model).finally(() => (this.#loading = undefined));
		await this.#loading;
	}

	async #loadNow(model: string): Promise<void> {
		const read = await new D1CatalogSource(this.env.CATALOG).read(null, null);
		if (!read.ok || !read.value.catalog) return;
		const { mark, catalog } = read.value;
		this.#configure(model, mark.version, catalog);
		// The catalog may have brought pools of which nothing is known.
		this.ctx.waitUntil(this.#warmth.watch());
		this.#store.keepCatalog({ version: mark.version, model, catalog });
	}

	#configure(model: string, version: number, catalog: Catalog): void {
		this.#version = version;
		const place = placeInName(this.ctx.id.name, model);
		const urls = new Map(this.#core.fleet.replicas.map(({ entry }) => [entry.name, entry.baseUrl]));
		const known = buildSnapshot(version, catalog).models.get(model);
		this.#core.configure(known, Date.now() / 1_000, place.group);
		this.#peers.configure(known, version, place);
		// One that moved is another one.
		this.#events.keep((replica) => {
			const now = this.#core.fleet.get(replica)?.entry.baseUrl;
			return now !== undefined && now === (urls.get(replica) ?? now);
		});
	}
}
