import type { ScaleToZeroName } from "../../src/shared/catalog/scale-to-zero.ts";
import { INFERENCE_PATHS, type Call } from "./call.ts";
import { statusError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Replica } from "./replica.ts";

/** What a provider puts before its engines: answers itself, or lets the call go on to the engine, at once or once it is warm. */
type Front = (replica: Replica, call: Call, exchange: Exchange, engine: () => void) => void;

/** RunPod's balancer gives up after this. */
const BALANCER_SECONDS = 120;

const FRONTS: Readonly<Record<ScaleToZeroName, Front>> = {
	plain: through(unavailable),
	knative: through(unavailable),
	modal: statusAt("/stats", ({ warmth, state }) => ({
		backlog: state.parked,
		num_total_runners: warmth === "warm" || warmth === "starting" ? 1 : 0,
	})),
	keda: (replica, call, exchange, engine) => {
		exchange.addHeader("X-KEDA-HTTP-Cold-Start", String(replica.warmth !== "warm"));
		through(unavailable)(replica, call, exchange, engine);
	},
	huggingface: (replica, call, exchange, engine) => {
		const status = `/v2/endpoint/simulated/${endpointId(replica.settings.name)}`;
		const patience = Number(call.headers["x-scale-up-timeout"] ?? 0);
		const serve = through(unavailable, () => patience);
		if (call.path === `${status}/scale-to-zero`) {
			replica.behave({ cold: true });
			exchange.value(endpointStatus(replica));
		} else if (call.path === status && call.method === "PUT") {
			const minutes = minutesIn(call.body);
			if (minutes === null) exchange.error(statusError(400, "Bad Request"));
			else setIdle(replica, exchange, minutes * 60);
		} else statusAt(status, endpointStatus, serve)(replica, call, exchange, engine);
	},
	runpod_queue: (replica, call, exchange, engine) => {
		const own = `/v2/${endpointId(replica.settings.name)}/health`;
		settable(statusAt(own, endpointHealth))(replica, call, exchange, engine);
	},
	runpod_load_balancer: (replica, call, exchange, engine) => {
		const noWorkers = (): void => exchange.value({ error: "no workers available" }, 400);
		const isPing = call.path === "/ping";
		const refuse = isPing ? (): void => exchange.text(204, "") : noWorkers;
		const patience = (): number => (isPing ? 0 : replica.behaviour.whileStarting === "503" ? 0 : BALANCER_SECONDS);
		settable(through(refuse, patience))(replica, call, exchange, engine);
	},
	cog: (replica, call, exchange, engine) => {
		if (call.path !== "/health-check") through(unavailable)(replica, call, exchange, engine);
		else if (replica.warmth === "cold") unavailable(exchange);
		else exchange.value(containerHealth(replica));
	},
	vllm_sleep: (_, __, ___, engine) => engine(),
	llama_cpp: (replica, call, exchange, engine) => {
		if (call.path === "/props") exchange.value({ is_sleeping: replica.warmth === "asleep" });
		else {
			// llama.cpp's README: all but /health, /props and /models is a task, which loads the model again.
			if (INFERENCE_PATHS.has(call.path) || call.path === "/metrics") replica.wakeByTask();
			engine();
		}
	},
};

/** Passes a call through what its provider, if it has one, puts before the engine. */
export function passFront(replica: Replica, call: Call, exchange: Exchange, engine: () => void): void {
	const { provider } = replica.settings;
	if (provider === null) engine();
	else FRONTS[provider](replica, call, exchange, engine);
}

/** The path at the engine of one at the provider; of paths that do not lead to the engine, themselves. */
export function enginePath(replica: Replica, path: string): string {
	const base = basePath(replica.settings.provider, replica.settings.name);
	return base !== "" && path.startsWith(`${base}/`) ? path.slice(base.length) : path;
}

/** Where the engine's paths begin. */
export function basePath(provider: ScaleToZeroName | null, name: string): string {
	return provider === "runpod_queue" ? `/v2/${endpointId(name)}/openai` : "";
}

/** A replica's name as one part of a path. */
function endpointId(name: string): string {
	return name.replaceAll("/", "-");
}

/** Any request starts the engine and keeps it from becoming idle. It waits for the start, `patience` at most. */
function through(refuse: (exchange: Exchange) => void, patience?: () => number): Front {
	return (replica, _, exchange, engine) => {
		replica.touch();
		const leave = replica.whenWarm(engine, () => refuse(exchange), patience?.());
		if (leave) exchange.onGone(leave);
	};
}

/** One path at which the state is told, without any effect on it. */
function statusAt(path: string, status: (replica: Replica) => object, others: Front = through(unavailable)): Front {
	return (replica, call, exchange, engine) => {
		if (call.path === path) exchange.value(status(replica));
		else others(replica, call, exchange, engine);
	};
}

/** RunPod's `PATCH /v1/endpoints/{id}` of its REST API, before what else it is asked. */
function settable(others: Front): Front {
	return (replica, call, exchange, engine) => {
		if (call.path !== `/v1/endpoints/${endpointId(replica.settings.name)}` || call.method !== "PATCH")
			return others(replica, call, exchange, engine);
		const seconds: unknown = fieldsOf(call.body)["idleTimeout"];
		if (typeof seconds === "number" && seconds >= 1 && seconds <= 3_600) setIdle(replica, exchange, seconds);
		else exchange.error(statusError(400, "Bad Request"));
	};
}

function setIdle(replica: Replica, exchange: Exchange, idleSeconds: number): void {
	replica.behave({ idleSeconds });
	exchange.value({ id: endpointId(replica.settings.name) });
}

/** `compute.scaling.scaleToZeroTimeout`. */
function minutesIn(body: Buffer): number | null {
	const { compute } = fieldsOf(body) as { compute?: { scaling?: { scaleToZeroTimeout?: unknown } } };
	const minutes = compute?.scaling?.scaleToZeroTimeout;
	return typeof minutes === "number" && minutes >= 1 ? minutes : null;
}

function fieldsOf(body: Buffer): Record<string, unknown> {
	try {
		return Object(JSON.parse(body.toString()));
	} catch {
		return {};
	}
}

function unavailable(exchange: Exchange): void {
	exchange.error(statusError(503, "Service Unavailable"));
}

/** RunPod's `GET /v2/{id}/health`. */
function endpointHealth({ warmth, state }: Replica): object {
	const isWarm = warmth === "warm";
	const running = isWarm && state.inFlight > 0 ? 1 : 0;
	const idle = isWarm ? 1 - running : 0;
	return {
		jobs: {
			completed: state.requests - state.inFlight,
			failed: 0,
			inProgress: isWarm ? state.inFlight : 0,
			inQueue: state.parked,
			retried: 0,
		},
		workers: { idle, initializing: warmth === "starting" ? 1 : 0, ready: idle, running, throttled: 0, unhealthy: 0 },
	};
}

/** Hugging Face's `GET /v2/endpoint/{namespace}/{name}`. */
function endpointStatus({ warmth, settings }: Replica): object {
	const states = { warm: "running", cold: "scaledToZero", starting: "initializing" } as const;
	const state = warmth === "warm" || warmth === "cold" ? states[warmth] : states.starting;
	return { name: settings.name, type: "protected", status: { state, message: `Endpoint is ${state}` } };
}

/** Cog's `GET /health-check`. */
function containerHealth({ warmth, state, startedAt }: Replica): object {
	if (warmth !== "warm")
		return { status: "STARTING", setup: { started_at: startedAt?.toISOString(), status: "starting" } };
	return { status: state.inFlight > 0 ? "BUSY" : "READY", setup: { status: "succeeded" } };
}
