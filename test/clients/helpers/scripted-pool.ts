import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll } from "vitest";

/** A request as the pool got it. */
export interface Received {
	readonly path: string;
	readonly headers: IncomingHttpHeaders;
	readonly body: Buffer;
	/** The caller ended the connection before it had the whole answer. */
	readonly aborted: boolean;
}

export type Answer = (response: ServerResponse, request: Received) => void | Promise<void>;

/** A pool whose answers a test writes byte by byte. One server stands for many replicas: each has a path of its own. */
export interface ScriptedPool {
	/** The base URL of the replica of this name. */
	url(name: string): string;
	/** How that replica answers from now on. */
	on(name: string, answer: Answer): void;
	/** What that replica has got so far, oldest first. */
	requests(name: string): readonly Received[];
}

interface Replica {
	answer: Answer;
	readonly requests: Received[];
}

/** Starts one, closed when the test file is done. */
export async function startScriptedPool(): Promise<ScriptedPool> {
	const replicas = new Map<string, Replica>();
	function replica(name: string): Replica {
		let found = replicas.get(name);
		if (!found) replicas.set(name, (found = { answer: status(500), requests: [] }));
		return found;
	}
	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => {
			const [, name = "", path = ""] = /^\/([^/]+)(\/.*)$/.exec(request.url ?? "") ?? [];
			const received = { path, headers: request.headers, body: Buffer.concat(chunks), aborted: false };
			response.once("close", () => (received.aborted = !response.writableFinished));
			replica(name).requests.push(received);
			void replica(name).answer(response, received);
		});
	});
	await new Promise<void>((resolve) => {
		server.listen(0, "127.0.0.1", resolve);
	});
	afterAll(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as AddressInfo;
	return {
		url: (name) => `http://127.0.0.1:${port}/${name}`,
		on: (name, answer) => (replica(name).answer = answer),
		requests: (name) => replica(name).requests,
	};
}

type Bytes = string | Uint8Array;

/** A whole answer. */
export function plain(body: Bytes, headers: Readonly<Record<string, string>> = {}, code = 200): Answer {
	return (response) => {
		response.writeHead(code, { "content-type": "application/json", "content-length": byteLength(body), ...headers });
		response.end(body);
	};
}

export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
	return plain(`{"error":{"message":"scripted ${code}","type":"scripted","param":null,"code":null}}`, headers, code);
}

/** A stream of these chunks, each written in a later turn of the event loop than the one before. */
export function stream(chunks: readonly Bytes[], headers: Readonly<Record<string, string>> = {}): Answer {
	return async (response) => {
		response.writeHead(200, { "content-type": "text/event-stream", ...headers });
		for (const chunk of chunks) {
			response.write(chunk);
			await new Promise((resolve) => setImmediate(resolve));
		}
		response.end();
	};
}

/** One server-sent event. */
export function event(data: unknown): string {
	return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

/** A chunk of a chat stream with this delta. */
export function chunk(content: string, finish: string | null = null): string {
	const choices = [{ index: 0, delta: { content }, finish_reason: finish }];
	return event({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices });
}

/** The event that vLLM sends last when it was asked for usage. */
export function usageEvent(usage: object): string {
	return event({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [], usage });
}

/** A chat answer with this usage; without one when it is null. */
export function chatAnswer(usage: object | null): string {
	const choices = [{ index: 0, message: { role: "assistant", content: "scripted" }, finish_reason: "stop" }];
	return JSON.stringify({
		id: "c",
		object: "chat.completion",
		created: 1,
		model: "m",
		choices,
		...(usage && { usage }),
	});
}

export function usage(prompt: number, completion: number, cached?: number): object {
	return {
		prompt_tokens: prompt,
		completion_tokens: completion,
		total_tokens: prompt + completion,
		...(cached !== undefined && { prompt_tokens_details: { cached_tokens: cached } }),
	};
}

/** Answers only when it is told to. */
export class Gate {
	/** What has come and has no answer yet, oldest first. */
	readonly held: { readonly request: Received; readonly release: () => void }[] = [];
	/** What has come at all. */
	readonly arrived: Received[] = [];
	#open = false;

	readonly answer: Answer = (response, request) => {
		this.arrived.push(request);
		const release = (): void => void plain(chatAnswer(usage(10, 5)))(response, request);
		if (this.#open) release();
		else this.held.push({ request, release });
	};

	/** Answers the oldest. */
	releaseOne(): void {
		this.held.shift()?.release();
	}

	/** Answers everything, now and from now on. */
	open(): void {
		this.#open = true;
		for (const { release } of this.held.splice(0)) release();
	}
}

function byteLength(body: Bytes): number {
	return typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
}
