import { AnswerText } from "./answer-text.ts";
import { DEFAULT_BEHAVIOUR, type Behaviour, type BehaviourChange } from "./behaviour.ts";
import type { KvPublisher } from "./kv-publisher.ts";
import { FaultDraw } from "./faults.ts";
import type { Settings } from "./options.ts";
import { combine, hashText, logNormal, seeded, type Rng } from "./random.ts";
import { Recorder } from "./recorder.ts";
import { ServedModel } from "./served-model.ts";
import { Timers } from "./timers.ts";
import { Vocabulary } from "./tokenizer.ts";
import { Warmth, type WarmthState } from "./warmth.ts";

/** What a replica is at a moment. Counts are of the inference endpoints and start at zero with `reset()`; those of tokens
 *  and sequences also when the replica restarts. */
export interface ReplicaState {
	readonly name: string;
	readonly model: string;
	readonly warmth: WarmthState;
	/** Requests whose answer is not complete, and the most there were at once. */
	readonly inFlight: number;
	readonly inFlightMax: number;
	/** Requests that wait for a start or for waking. */
	readonly parked: number;
	/** Sequences in the engine (`n` for one request); always zero without delays. */
	readonly running: number;
	readonly waiting: number;
	readonly kvUsage: number;
	readonly requests: number;
	/** Requests that the client left before their answer was complete. */
	readonly aborted: number;
	/** Starts from cold. */
	readonly starts: number;
	readonly preemptions: number;
	readonly promptTokens: number;
	readonly cachedTokens: number;
	readonly generatedTokens: number;
	readonly behaviour: Behaviour;
}

/** One replica without its HTTP side: the engine process and its life, the behaviour asked of it, and what it counts. */
export class Replica {
	readonly settings: Settings;
	readonly text: AnswerText;
	readonly vocabulary = new Vocabulary();
	readonly timers: Timers;
	readonly faults: FaultDraw;
	readonly recorder: Recorder;
	readonly publisher: KvPublisher | null;
	readonly #rng: Rng;
	readonly #idBase: string;
	#served: ServedModel;
	#warmth: Warmth;
	#behaviour: Omit<Behaviour, "faults"> = DEFAULT_BEHAVIOUR;
	#sleepLevel: 1 | 2 = 1;
	#cancelStart: (() => void) | null = null;
	#ids = 0;
	#inFlight = 0;
	#inFlightMax = 0;
	#requests = 0;
	#aborted = 0;
	#starts = 0;
	/** Told when `refuse` changes: the HTTP side opens and closes its port. */
	onRefuse: (refuse: boolean) => void = () => {};

	constructor(settings: Settings, seed: number, publisher: KvPublisher | null = null) {
		this.publisher = publisher;
		this.settings = settings;
		this.#rng = seeded(hashText(settings.name, seed));
		this.faults = new FaultDraw(seeded(hashText(settings.name, seed + 1)));
		this.text = new AnswerText(settings.name, seed);
		this.timers = new Timers(settings.speed);
		this.recorder = new Recorder(settings.recordRequests);
		const base = hashText(settings.name, seed + 2);
		this.#idBase = [0, 1, 2].map((i) => combine(base, i).toString(16).padStart(8, "0")).join("");
		this.#served = new ServedModel(settings, publisher?.begin() ?? null);
		this.#warmth = new Warmth(settings.startCold);
		this.behave(settings.behaviour);
	}

	get served(): ServedModel {
		return this.#served;
	}

	get behaviour(): Behaviour {
		return { ...this.#behaviour, faults: this.faults.rules };
	}

	get latencySeconds(): number {
		return this.#behaviour.latencySeconds;
	}

	get warmth(): WarmthState {
		this.#coolIfIdle();
		return this.#warmth.state;
	}

	nextId(): string {
		return this.#idBase + (this.#ids++ >>> 0).toString(16).padStart(8, "0");
	}

	behave({ cold, faults, ...change }: BehaviourChange): void {
		const before = this.#behaviour.refuse;
		this.#behaviour = { ...this.#behaviour, ...change };
		if (faults) this.faults.set(faults);
		this.#served.engine.slow = this.#behaviour.slow;
		if (this.#behaviour.refuse !== before) this.#refuse(this.#behaviour.refuse);
		if (cold === true) this.#cool();
		if (cold === false) this.#warm();
	}

	/** A request is there: its answer is complete, or never will be, when the returned function is called. */
	enter(): (abandoned: boolean) => void {
		this.#coolIfIdle();
		this.#requests++;
		this.#inFlightMax = Math.max(this.#inFlightMax, ++this.#inFlight);
		return (abandoned) => {
			this.#inFlight--;
			if (abandoned) this.#aborted++;
			this.#warmth.use(this.#now());
		};
	}

	/** Calls `serve` once the replica is warm, which may be now, or `refuse` if it starts and answers 503 meanwhile. The
	 *  result takes the request out again; null when it does not wait. */
	whenWarm(serve: () => void, refuse: () => void): (() => void) | null {
		const admission = this.#warmth.admission(this.#behaviour.whileStarting);
		if (admission === "serve") {
			serve();
			return null;
		}
		const leave = admission === "wait" ? this.#warmth.park(serve) : null;
		if (admission === "refuse") refuse();
		if (this.#warmth.state === "cold") this.#start();
		return this.#warmth.state === "warm" ? null : leave;
	}

	sleep(level: 1 | 2): void {
		this.#sleepLevel = level;
		this.#served.engine.paused = true;
		this.#served.engine.resetPrefixCache();
		this.#warmth.to("asleep", this.#now());
	}

	/** Wakes a sleeping replica and calls back when it serves; at once if it does not sleep. */
	wake(callback: () => void): void {
		if (this.#warmth.state !== "asleep") {
			callback();
			return;
		}
		this.#warmth.to("waking", this.#now());
		const seconds = this.settings.profile.wakeSeconds[this.#sleepLevel === 1 ? 0 : 1];
		this.#cancelStart = this.timers.after(seconds, () => {
			this.#warm();
			callback();
		});
	}

	get state(): ReplicaState {
		const { engine, counters, pacer } = this.#served;
		pacer?.catchUp();
		return {
			name: this.settings.name,
			model: this.settings.model,
			warmth: this.warmth,
			inFlight: this.#inFlight,
			inFlightMax: this.#inFlightMax,
			parked: this.#warmth.parked,
			running: engine.running,
			waiting: engine.waiting,
			kvUsage: engine.kvUsage,
			requests: this.#requests,
			aborted: this.#aborted,
			starts: this.#starts,
			preemptions: counters.preemptions,
			promptTokens: counters.promptTokens,
			cachedTokens: counters.prefixHits,
			generatedTokens: counters.generationTokens,
			behaviour: this.behaviour,
		};
	}

	/** Back to how it was started; requests in flight are still answered. */
	reset(): void {
		this.recorder.clear();
		this.#requests = 0;
		this.#aborted = 0;
		this.#starts = 0;
		this.#inFlightMax = this.#inFlight;
		this.#restart();
		this.behave({ ...DEFAULT_BEHAVIOUR, cold: this.settings.startCold, ...this.settings.behaviour });
	}

	stop(): void {
		this.timers.stop();
		this.#served.pacer?.stop();
	}

	/** Virtual seconds; real ones where there are no delays. */
	#now(): number {
		const { speed } = this.settings;
		return (performance.now() / 1_000) * (Number.isFinite(speed) ? speed : 1);
	}

	#coolIfIdle(): void {
		const { idleSeconds } = this.#behaviour;
		if (idleSeconds === null || this.#inFlight > 0) return;
		if (this.#warmth.coolIfIdle(this.#now(), idleSeconds)) this.#restart();
	}

	/** A new process: requests that the old one still has are finished by it. */
	#restart(): void {
		this.#served = new ServedModel(this.settings, this.publisher?.begin() ?? null);
		this.#served.engine.slow = this.#behaviour.slow;
	}

	#cool(): void {
		this.#cancelStart?.();
		this.#restart();
		this.#warmth.to("cold", this.#now());
	}

	#warm(): void {
		this.#cancelStart?.();
		this.#cancelStart = null;
		this.#served.engine.paused = false;
		this.#served.pacer?.kick();
		this.#warmth.to("warm", this.#now());
	}

	#start(): void {
		this.#starts++;
		this.#warmth.to("starting", this.#now());
		const { medianSeconds, sigma } = this.settings.profile.coldStart;
		const seconds = this.#behaviour.coldStartSeconds ?? logNormal(this.#rng, medianSeconds, sigma);
		this.#cancelStart = this.timers.after(seconds, () => this.#warm());
	}

	#refuse(refuse: boolean): void {
		if (!refuse) this.#restart();
		this.onRefuse(refuse);
	}
}
