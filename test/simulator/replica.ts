import { AnswerText } from "./answer-text.ts";
import { DEFAULT_BEHAVIOUR, type Behaviour, type BehaviourChange } from "./behaviour.ts";
import { platformSeconds, StartsUnderWay } from "./cold-starts.ts";
import type { KvPublisher } from "./kv-publisher.ts";
import { FaultDraw } from "./faults.ts";
import type { Settings } from "./options.ts";
import { combine, hashText, logNormal, seeded, type Rng } from "./random.ts";
import { Recorder } from "./recorder.ts";
import { SLEEP_TAGS, SleepMode, type SleepTag } from "./sleep-mode.ts";
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
	/** Starts from cold, and of a sleeping llama.cpp by a request. */
	readonly starts: number;
	/** Whether the engine has its weights: those that sleep level 2 discarded come back with `reload_weights` only. */
	readonly weights: "loaded" | "discarded";
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
	readonly #startsUnderWay: StartsUnderWay;
	readonly #sleep = new SleepMode();
	#startedAt: Date | null = null;
	#cancelStart: (() => void) | null = null;
	#ids = 0;
	#inFlight = 0;
	#inFlightMax = 0;
	#requests = 0;
	#aborted = 0;
	#starts = 0;
	/** Told when `refuse` changes: the HTTP side opens and closes its port. */
	onRefuse: (refuse: boolean) => void = () => {};

	constructor(
		settings: Settings,
		seed: number,
		publisher: KvPublisher | null = null,
		startsUnderWay = new StartsUnderWay(),
	) {
		this.publisher = publisher;
		this.#startsUnderWay = startsUnderWay;
		this.settings = settings;
		this.#rng = seeded(hashText(settings.name, seed));
		this.faults = new FaultDraw(seeded(hashText(settings.name, seed + 1)));
		this.text = new AnswerText(settings.name, seed);
		this.timers = new Timers(settings.speed);
		this.recorder = new Recorder(settings.recordRequests);
		const base = hashText(settings.name, seed + 2);
		this.#idBase = [0, 1, 2].map((i) => combine(base, i).toString(16).padStart(8, "0")).join("");
		this.#served = new ServedModel(settings, publisher?.begin() ?? null);
		this.#warmth = new Warmth(settings.startCold, this.#now());
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

	/** Something other than a request for inference came that keeps it from becoming idle. */
	touch(): void {
		this.#coolIfIdle();
		this.#warmth.use(this.#now());
	}

	/** Calls `serve` once the replica is warm, which may be now, or `refuse` when that takes longer than `patience` seconds:
	 *  without end by default, or not at all (`whileStarting`). The result takes the request out again; null when it does not
	 *  wait. */
	whenWarm(
		serve: () => void,
		refuse: () => void,
		patience = this.#behaviour.whileStarting === "wait" ? Number.POSITIVE_INFINITY : 0,
	): (() => void) | null {
		const admission = this.#warmth.admission(patience > 0 ? "wait" : "503");
		if (admission === "serve") {
			serve();
			return null;
		}
		if (admission === "refuse") {
			refuse();
			if (this.#warmth.state === "cold") this.#start();
			return null;
		}
		let expire = (): void => {};
		const unpark = this.#warmth.park(() => {
			expire();
			serve();
		});
		if (this.#warmth.state === "cold") this.#start();
		if (this.#warmth.state === "warm") return null;
		if (Number.isFinite(patience)) {
			expire = this.timers.after(patience, () => {
				unpark();
				refuse();
			});
		}
		return () => {
			expire();
			unpark();
		};
	}

	sleep(level: 1 | 2): void {
		this.#sleep.sleep(level);
		this.#served.engine.paused = true;
		this.#served.engine.resetPrefixCache();
		this.#warmth.to("asleep", this.#now());
	}

	/** Wakes what sleeps of these, all by default, and calls back when it is there; it serves when all is. */
	wake(callback: () => void, tags: readonly SleepTag[] = SLEEP_TAGS): void {
		const woken = this.#sleep.wake(tags);
		if (woken.length === 0) {
			callback();
			return;
		}
		this.#warmth.to("waking", this.#now());
		const seconds = woken.includes("weights") ? this.settings.profile.wakeSeconds[0] : 0;
		this.#cancelStart = this.timers.after(seconds, () => {
			if (this.#sleep.isOver) this.#warm();
			callback();
		});
	}

	/** Reads the weights anew, as `collective_rpc` of `reload_weights` does. */
	reloadWeights(callback: () => void): void {
		const [awake, reloaded] = this.settings.profile.wakeSeconds;
		this.timers.after(Math.max(0, reloaded - awake), () => {
			this.#sleep.reload();
			callback();
		});
	}

	/** A task came to a llama.cpp that may sleep: it loads its model again. */
	wakeByTask(): void {
		this.touch();
		if (this.#warmth.state !== "asleep") return;
		this.#starts++;
		this.#sleep.end();
		this.#warmth.to("waking", this.#now());
		const seconds = this.#behaviour.coldStartSeconds ?? this.settings.profile.wakeSeconds[1];
		this.#cancelStart = this.timers.after(seconds, () => this.#warm());
	}

	/** When the start that is under way, or the last, began; null: it was warm from the beginning. */
	get startedAt(): Date | null {
		return this.#startedAt;
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
			weights: this.#sleep.weights,
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
		if (!this.#warmth.coolIfIdle(this.#now(), idleSeconds)) return;
		if (this.settings.provider === "llama_cpp") this.sleep(1);
		else this.#restart();
	}

	/** A new process: requests that the old one still has are finished by it. */
	#restart(): void {
		this.#served = new ServedModel(this.settings, this.publisher?.begin() ?? null);
		this.#sleep.reload();
		this.#served.engine.slow = this.#behaviour.slow;
	}

	#cool(): void {
		this.#endStart();
		this.#restart();
		this.#warmth.to("cold", this.#now());
	}

	#warm(): void {
		this.#endStart();
		this.#served.engine.paused = false;
		this.#served.pacer?.kick();
		this.#warmth.to("warm", this.#now());
	}

	#start(): void {
		this.#starts++;
		this.#startedAt = new Date();
		this.#warmth.to("starting", this.#now());
		const { profile, provider } = this.settings;
		const { others, end } = this.#startsUnderWay.begin(provider ?? this.settings.name);
		const { medianSeconds, sigma } = profile.coldStart;
		const drawn = (): number =>
			logNormal(this.#rng, medianSeconds, sigma) + (provider === null ? 0 : platformSeconds(this.#rng, others));
		const cancel = this.timers.after(this.#behaviour.coldStartSeconds ?? drawn(), () => this.#warm());
		this.#cancelStart = () => {
			cancel();
			end();
		};
		if (this.#warmth.state === "warm") this.#endStart();
	}

	/** Of a start or a waking: it is over, or given up. What slept and was not woken is gone with the process. */
	#endStart(): void {
		this.#cancelStart?.();
		this.#cancelStart = null;
		this.#sleep.end();
	}

	#refuse(refuse: boolean): void {
		if (!refuse) this.#restart();
		this.onRefuse(refuse);
	}
}
