import { seeded } from "../../../test/simulator/random.ts";
import { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { AssignReply, Ended, SchedulerMail } from "../../../src/shared/scheduler/messages.ts";
import { settingsFrom } from "../../../src/shared/settings.ts";
import type { TraceRequest } from "../../replay/trace.ts";
import type { Box, BoxState } from "../box.ts";
import { catalogOf } from "../fleet.ts";
import { API, type Policy, type World } from "../simulate.ts";
import { assignRequestOf, type Worth } from "./request.ts";
import { statusOf } from "./status.ts";
import { makeKeepingCall } from "./keeping-calls.ts";
import { WakeCalls } from "./wake-calls.ts";

const SETTINGS = settingsFrom(undefined);
/** The object's: seconds between two alarms while there is something to look after, and between two looks at who waits. */
const ALARM_SECONDS = 8;
const ACT_SECONDS_MIN = 1;
const TICK_SECONDS = 0.25;

/** One attempt of a request that is in flight. */
interface Attempt {
	readonly reservation: string;
	readonly request: TraceRequest;
	readonly sentAt: number;
	readonly replica: string;
	readonly promptTokens: number;
	readonly outputTokens: number;
	/** Replicas that have failed it. */
	readonly excluded: readonly string[];
	ttft: number | null;
}

/** The production scheduler core where the Durable Object would have it, with one isolate right beside it. */
export class ObjectOfPools implements Policy {
	readonly core: SchedulerCore;
	readonly #world: World;
	readonly #worth: Worth;
	readonly #attempts = new Map<number, Attempt>();
	readonly #queued = new Map<
		string,
		{ readonly id: number; readonly request: TraceRequest; excluded: readonly string[] }
	>();
	readonly #boxes: ReadonlyMap<string, Box>;
	readonly #calls: WakeCalls;
	#alarmAt = -Infinity;
	#isTicking = false;

	constructor(world: World, worth: Worth) {
		this.#world = world;
		this.#worth = worth;
		this.#boxes = new Map(world.boxes.map((box) => [`${box.spec.id}/r`, box]));
		this.core = new SchedulerCore({
			settings: SETTINGS,
			rng: seeded(1),
			onTurn: (reservation, reply) => {
				const { id, request, excluded } = this.#queued.get(reservation)!;
				this.#queued.delete(reservation);
				this.#act(id, request, reservation, excluded, reply);
			},
		});
		this.core.configure(catalogOf(world.fleet), world.clock.now);
		this.#calls = new WakeCalls(world, this.core, () => this.#look());
	}

	arrive(id: number, request: TraceRequest): void {
		this.#assign(id, request, `r${id}`, []);
	}

	onRefused(id: number, request: TraceRequest, index: number): void {
		const attempt = this.#attempts.get(id)!;
		this.#attempts.delete(id);
		const box = this.#world.boxes[index]!;
		const at = this.#world.clock.now;
		const source = `${box.spec.zero!.kind}_answer`;
		this.#end(attempt, { outcome: "failed", failure: "busy", warmth: { state: "waking", at, source } });
		const excluded = [...attempt.excluded, attempt.replica];
		this.#assign(id, request, `${attempt.reservation}.`, excluded);
	}

	onFirst(id: number): void {
		const attempt = this.#attempts.get(id)!;
		const { now } = this.#world.clock;
		attempt.ttft = now - attempt.sentAt;
		this.#mail({ first: [{ reservation: attempt.reservation, ttft: attempt.ttft, headers: null }] });
	}

	onEnd(id: number): void {
		const attempt = this.#attempts.get(id)!;
		this.#attempts.delete(id);
		const { input, output } = attempt.request;
		const tokens = { promptTokens: input, cachedTokens: 0, outputTokens: output };
		this.#end(attempt, { outcome: "ok", ...tokens });
	}

	onChange(index: number, state: BoxState): void {
		this.#calls.onChange(this.#world.boxes[index]!, state);
	}

	#assign(id: number, request: TraceRequest, reservation: string, excluded: readonly string[]): void {
		const { now } = this.#world.clock;
		const asked = assignRequestOf(request, reservation, this.#worth, excluded);
		const reply = this.core.assign(asked, now);
		if (reply.kind === "queued") this.#queued.set(reservation, { id, request, excluded });
		else this.#act(id, request, reservation, excluded, reply);
		this.#tend();
	}

	#act(id: number, request: TraceRequest, reservation: string, excluded: readonly string[], reply: AssignReply): void {
		if (reply.kind !== "assigned") return this.#world.fail(id);
		const { replica } = reply.ranked[0]!;
		const sentAt = this.#world.clock.now;
		const { promptTokens, outputTokens } = reply;
		const attempt = { reservation, request, sentAt, replica, promptTokens, outputTokens, excluded, ttft: null };
		this.#attempts.set(id, attempt);
		this.#renewLater(id, attempt);
		this.#world.send(id, this.#boxes.get(replica)?.index ?? API);
	}

	#end({ reservation, ttft, sentAt }: Attempt, told: Pick<Ended, "outcome"> & Partial<Ended>): void {
		const seconds = this.#world.clock.now - sentAt;
		const unknown = { promptTokens: null, cachedTokens: null, outputTokens: null };
		this.#mail({ ended: [{ reservation, ttft, seconds, ...unknown, ...told }] });
	}

	#mail(mail: Partial<SchedulerMail>): void {
		this.core.mail({ first: [], ended: [], renewals: [], ...mail }, this.#world.clock.now);
		this.#tend();
	}

	#renewLater(id: number, attempt: Attempt): void {
		const { clock } = this.#world;
		clock.schedule(clock.now + SETTINGS.renewSeconds, () => {
			if (this.#attempts.get(id) !== attempt) return;
			const { reservation, replica, promptTokens, outputTokens, sentAt, ttft } = attempt;
			const key = `client ${attempt.request.conversation}`;
			const known = { reservation, replica, tenant: "tenant", key, promptTokens, outputTokens };
			this.#mail({ renewals: [{ ...known, started: ttft !== null, age: clock.now - sentAt }] });
			this.#renewLater(id, attempt);
		});
	}

	/** What the object does after every call: keeps, lets go and wakes what is due, and sees to its alarm and to those who wait. */
	#tend(): void {
		const { clock } = this.#world;
		const { core } = this;
		for (const call of core.keeping.due(clock.now))
			makeKeepingCall(call, this.#boxes.get(call.replica.entry.name)!, this.#world, core, () => this.#look());
		for (const wake of core.wakes.due(clock.now)) {
			this.#calls.make(wake, this.#boxes.get(wake.replica.entry.name)!);
		}
		if (core.waiting > 0 && !this.#isTicking) {
			this.#isTicking = true;
			this.#tickLater();
		}
		const isBusy = core.inFlight > 0 || core.waiting > 0 || core.warmths.wakingPools(clock.now).size > 0;
		const next = Math.min(isBusy ? clock.now + ALARM_SECONDS : Infinity, core.keeping.nextAt);
		const at = Math.max(clock.now + ACT_SECONDS_MIN, next);
		if (at === Infinity || (this.#alarmAt > clock.now && this.#alarmAt <= at)) return;
		this.#alarmAt = at;
		this.#watch();
		clock.schedule(at, () => {
			// Replaced by an earlier one.
			if (this.#alarmAt !== at || this.#world.isOver) return;
			this.#alarmAt = -Infinity;
			this.#look();
		});
	}

	#look(): void {
		this.core.tick(this.#world.clock.now);
		this.#tend();
	}

	#tickLater(): void {
		const { clock } = this.#world;
		clock.schedule(clock.now + TICK_SECONDS, () => {
			this.#isTicking = false;
			this.#look();
		});
	}

	#watch(): void {
		const { now } = this.#world.clock;
		for (const [name, box] of this.#boxes) {
			const signal = statusOf(box, now);
			if (signal) this.core.observe(name, signal, now);
		}
	}
}
