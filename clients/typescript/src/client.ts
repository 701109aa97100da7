import { ENCODINGS, type Encoding } from "../../../src/shared/federated/encoding.ts";
import { ClientError, RequestError } from "./errors.ts";
import type { OnEvent } from "./events.ts";
import { readPlan, readVersion, type Decision, type Plan, type Report, type Task } from "./messages.ts";
import type { Model } from "./model.ts";
import { push, updateOf } from "./push.ts";
import type { Store } from "./store.ts";
import { Tasks } from "./tasks.ts";
import { publicKeyOf, sleep, Transport, type Backoff } from "./transport.ts";
import { UpdateStore } from "./update.ts";
import { Versions, type PullOptions } from "./versions.ts";

export interface ClientOptions {
	/** Isobar's, without `/v1`. */
	readonly url: string;
	readonly run: string;
	/** Needed once: the store remembers that its client has joined. */
	readonly invitation?: string;
	readonly name?: string;
	/** Of this client, in this run alone. */
	readonly store: Store;
	/** Of updates. Default: the first of f32, f16, bf16, int8 that the run takes. */
	readonly encoding?: Encoding;
	readonly pull?: Partial<PullOptions>;
	/** Listen for tasks on a WebSocket where there is one. Default: true. */
	readonly socket?: boolean;
	readonly backoff?: Partial<Backoff>;
	readonly onEvent?: OnEvent;
	readonly fetch?: typeof fetch;
	/** Ends `work` where it stands; whoever works with the same store later goes on from there. */
	readonly signal?: AbortSignal;
}

/** A task, and how training may tell how far it is. */
export interface TrainingTask extends Task {
	readonly signal: AbortSignal;
	readonly progress: (done: number, total: number) => void;
}

export interface Evaluation {
	readonly loss: number;
	readonly metrics?: Readonly<Record<string, number>>;
}

/** What a user writes. */
export interface Functions<Data> {
	/** Called once, before the first task. */
	readonly load: () => Data | Promise<Data>;
	/** Changes the model in place and says from how many examples. */
	readonly train: (model: Model, data: Data, task: TrainingTask) => Report | Promise<Report>;
	/** Of the base version, before training: its loss is reported with the update unless `train` names one. */
	readonly evaluate?: (model: Model, data: Data, task: Task) => Evaluation | Promise<Evaluation>;
}

const CLIENT = "client";
const DECISIONS = "pending";

/** One client of one run. */
export class FederatedClient {
	readonly id: string;
	readonly #transport: Transport;
	readonly #store: Store;
	readonly #options: ClientOptions;
	readonly #onEvent: OnEvent;
	readonly #updates: UpdateStore;
	readonly #versions: Versions;
	readonly #plans = new Map<Encoding, Plan>();

	private constructor(id: string, transport: Transport, options: ClientOptions) {
		this.id = id;
		this.#transport = transport;
		this.#options = options;
		this.#store = options.store;
		this.#onEvent = options.onEvent ?? (() => {});
		this.#updates = new UpdateStore(options.store);
		const pull = { dtype: "f32" as const, delta: null, ...options.pull };
		this.#versions = new Versions(transport, options.store, pull, this.#onEvent);
	}

	/** The client of this store, which joins the run if it has not yet. */
	static async join(options: ClientOptions): Promise<FederatedClient> {
		const { url, run, invitation, name = "", store, onEvent = () => {} } = options;
		const keys = await store.keys();
		const transport = new Transport({
			url: `${url.replace(/\/$/, "")}/v1/runs/${encodeURIComponent(run)}`,
			keys,
			backoff: { first: 0.5, max: 30, giveUp: Infinity, ...options.backoff },
			onEvent,
			fetch: options.fetch ?? ((input, init) => fetch(input, init)),
			signal: options.signal ?? new AbortController().signal,
		});
		const known = await readJson<{ run: string; id: string }>(store, CLIENT);
		if (known && known.run !== run) {
			throw new ClientError("store_taken", `the store belongs to a client of the run ${known.run}`);
		}
		if (!known && !invitation) throw new ClientError("invitation_missing", "a client joins with an invitation");
		const id = known?.id ?? (await join(transport, await publicKeyOf(keys), { invitation, name }));
		if (!known) {
			await writeJson(store, CLIENT, { run, id });
			onEvent({ type: "joined", client: id });
		}
		transport.keyid = id;
		return new FederatedClient(id, transport, options);
	}

	/** Trains whenever the run has a task, until it ends (`run_closed`), the signal is aborted (`stopped`), or `tasks` updates were
	 *  committed. Throws what the functions throw, and refusals that trying again would not mend. */
	async work<Data>(functions: Functions<Data>, tasks = Infinity): Promise<"run_closed" | "stopped" | "done"> {
		const release = await this.#store.lock();
		if (!release) throw new ClientError("store_busy", "another process, or page, works with this store");
		const source = new Tasks(this.#transport, this.#options.socket ?? true, this.#onEvent);
		const { signal } = this.#transport;
		try {
			let committed = (await this.#finish()) ? 1 : 0;
			const data = await functions.load();
			let loss: number | null = null;
			while (committed < tasks) {
				const task = await source.next(loss);
				await this.#tellDecisions();
				if (!task) return this.#ended("run_closed");
				const base = await this.#base(task);
				if (!base) continue;
				loss = (await this.#train(task, base, data, functions))?.loss ?? loss;
				if (await this.#finish()) committed++;
			}
			return "done";
		} catch (error) {
			if (!signal.aborted) throw error;
			return this.#ended("stopped");
		} finally {
			source.close();
			await release();
		}
	}

	/** The weights of a version, by its number or digest. */
	async pull(name: number | string = "latest"): Promise<Model> {
		const call = { method: "HEAD", path: `/versions/${name}` } as const;
		const version = await this.#transport.request(call, async ({ headers }) => readVersion(headers));
		return (await this.#versions.model(version)).copy();
	}

	/** What a task begins with; null if it was collected meanwhile, since the task has ended. */
	async #base(task: Task): Promise<Model | null> {
		this.#onEvent({ type: "task", task });
		try {
			return await this.#versions.model(task.base);
		} catch (error) {
			if (!(error instanceof RequestError && (error.status === 404 || error.status === 410))) throw error;
			this.#onEvent({ type: "dropped", update: task.update, code: error.code });
			await sleep(1, this.#transport.signal);
			return null;
		}
	}

	/** Trains, and prepares the update. */
	async #train<Data>(task: Task, base: Model, data: Data, functions: Functions<Data>): Promise<Evaluation | null> {
		const { signal } = this.#transport;
		const encoding = this.#encodingOf(task);
		const evaluation = functions.evaluate ? await functions.evaluate(base.copy(), data, task) : null;
		const model = base.copy();
		const progress = (done: number, total: number) => this.#onEvent({ type: "training", done, total });
		const told = await functions.train(model, data, { ...task, signal, progress });
		signal.throwIfAborted();
		const report = checkReport({
			...(evaluation && { loss: evaluation.loss }),
			...told,
			metrics: { ...evaluation?.metrics, ...told.metrics },
		});
		await this.#updates.prepare(
			task,
			await this.#plan(encoding, model.values.length),
			base.values,
			model.values,
			report,
		);
		return evaluation;
	}

	/** Sends the update that lies in the store, if any; whether it was committed. */
	async #finish(): Promise<boolean> {
		const update = await this.#updates.read();
		if (!update) return false;
		const { id, bytes: total } = update;
		const tell = (bytes: number) => this.#onEvent({ type: "pushing", update: id, bytes, total });
		try {
			const decision = await push(this.#transport, this.#updates, update, tell);
			await this.#noteDecision(decision);
			this.#onEvent({ type: "decided", decision });
		} catch (error) {
			if (!(error instanceof RequestError)) throw error;
			// Nothing that is sent for this update will be taken any more, or not as it is.
			await this.#updates.clear();
			this.#onEvent({ type: "dropped", update: id, code: error.code });
			if (error.code !== "update_not_found") throw error;
			return false;
		}
		await this.#updates.clear();
		return true;
	}

	async #noteDecision({ id, state }: Decision): Promise<void> {
		const pending = (await readJson<string[]>(this.#store, DECISIONS)) ?? [];
		const others = pending.filter((each) => each !== id);
		await writeJson(this.#store, DECISIONS, state === "pending" ? [...others, id] : others);
	}

	/** Tells what became of updates that were pending. */
	async #tellDecisions(): Promise<void> {
		for (const id of (await readJson<string[]>(this.#store, DECISIONS)) ?? []) {
			const found = await updateOf(this.#transport, id);
			if (found.state === "open" || found.state === "pending") continue;
			await this.#noteDecision(found);
			this.#onEvent({ type: "decided", decision: found });
		}
	}

	async #plan(encoding: Encoding, parameters: number): Promise<Plan> {
		const known = this.#plans.get(encoding);
		if (known) return known;
		const answer = await this.#transport.json({ method: "GET", path: `/plan?encoding=${encoding}` });
		const plan = readPlan(answer, encoding, parameters);
		this.#plans.set(encoding, plan);
		return plan;
	}

	#encodingOf({ encodings }: Task): Encoding {
		const { encoding } = this.#options;
		const found = encoding
			? encodings.find((each) => each === encoding)
			: ENCODINGS.find((each) => encodings.includes(each));
		if (found) return found;
		throw new ClientError("encoding_refused", `the run takes updates in ${encodings.join(", ")}, not in ${encoding}`);
	}

	#ended<Reason extends "run_closed" | "stopped">(reason: Reason): Reason {
		this.#onEvent({ type: "ended", reason });
		return reason;
	}
}

async function join(transport: Transport, publicKey: string, more: object): Promise<string> {
	const answer = await transport.json({
		method: "POST",
		path: "/clients",
		body: new TextEncoder().encode(JSON.stringify({ ...more, public_key: publicKey })),
		hasNonce: true,
		keyid: publicKey,
	});
	const { id } = answer as { readonly id?: unknown };
	if (typeof id === "string") return id;
	throw new ClientError("answer_invalid", "the run's answer to the join names no client");
}

function checkReport(report: Report): Report {
	const { examples, steps, loss, metrics = {} } = report;
	const bad = (what: string) => new ClientError("report_invalid", `what train returned cannot be sent: ${what}`);
	if (!Number.isSafeInteger(examples) || examples < 1) throw bad("examples has to be a whole number, at least 1");
	if (steps !== undefined && !(Number.isSafeInteger(steps) && steps > 0))
		throw bad("steps has to be a whole number over 0");
	if (loss !== undefined && !Number.isFinite(loss)) throw bad("loss is not finite");
	const metric = Object.entries(metrics).find(([, value]) => !Number.isFinite(value));
	if (metric) throw bad(`metrics.${metric[0]} is not finite`);
	return report;
}

async function readJson<T>(store: Store, name: string): Promise<T | null> {
	const bytes = await store.read(name);
	return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as T);
}

function writeJson(store: Store, name: string, value: unknown): Promise<void> {
	return store.write(name, new TextEncoder().encode(JSON.stringify(value)));
}
