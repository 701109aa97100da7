import { afterAll } from "vitest";
import type { ReplicaOptions } from "./options.ts";
import { startSimulator, type SimulatedReplica, type Simulator } from "./simulator.ts";

export const MODEL = "llama-3.1-8b";

const started: Simulator[] = [];
afterAll(() => Promise.all(started.splice(0).map((simulator) => simulator.close())));

/** One replica, without delays unless `options` say otherwise; closed when the test file is done. */
export async function startReplica(options: Partial<ReplicaOptions> = {}): Promise<SimulatedReplica> {
	const simulator = await startSimulator({ replicas: [{ name: "r", model: MODEL, speed: 0, ...options }] });
	started.push(simulator);
	return simulator.replica(options.name ?? "r");
}

export function post(
	replica: SimulatedReplica,
	path: string,
	body: unknown,
	init: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Response> {
	return fetch(replica.url + path, {
		method: "POST",
		headers: { "content-type": "application/json", ...init.headers },
		body: typeof body === "string" ? body : JSON.stringify(body),
		...(init.signal && { signal: init.signal }),
	});
}

/** A small chat request; `extra` is added to its body. */
export function chat(replica: SimulatedReplica, extra: object = {}, signal?: AbortSignal): Promise<Response> {
	const body = { model: MODEL, messages: [{ role: "user", content: "Why is the sky blue?" }], ...extra };
	return post(replica, "/v1/chat/completions", body, signal ? { signal } : {});
}

/** The data of each event of a stream that has ended. */
export async function eventsOf(response: Response): Promise<string[]> {
	const text = await response.text();
	return text
		.split("\n\n")
		.filter((event) => event.startsWith("data: "))
		.map((event) => event.slice("data: ".length));
}

/** Waits until `isTrue`; rejects after two seconds. */
export async function until(isTrue: () => boolean): Promise<void> {
	for (const start = performance.now(); !isTrue();) {
		if (performance.now() - start > 2_000) throw new Error("it did not come true");
		await new Promise((resolve) => setTimeout(resolve, 2));
	}
}
