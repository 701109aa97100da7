import type { ServerResponse } from "node:http";
import { errorBody, statusError, type VllmError } from "./errors.ts";
import type { Fault, FaultPlan } from "./faults.ts";

export const JSON_TYPE = "application/json";
const STREAM_TYPE = "text/event-stream; charset=utf-8";

/** How an exchange is written besides what is in it. */
export interface ExchangeOptions {
	/** Gather events and write them in groups: for replicas without delays. Null: each at once. */
	readonly eventsPerWrite: number | null;
	/** Calls back again and again, in virtual seconds, until the returned function is called. */
	readonly every: (seconds: number, callback: () => void) => () => void;
	/** Called once, at the very end; `abandoned`: the client left before the answer was complete. */
	readonly onClose: (abandoned: boolean) => void;
}

/** One answer on its way to the client, with the faults that it meets. */
export class Exchange {
	readonly #response: ServerResponse;
	readonly #plan: FaultPlan | null;
	readonly #options: ExchangeOptions;
	readonly #added: Record<string, string> = {};
	readonly #groups: string[] = [];
	#inGroup = 0;
	#events = 0;
	#over = false;
	#cutHere = false;
	#gone: (() => void) | null = null;
	#stopHeartbeat: (() => void) | null = null;

	constructor(response: ServerResponse, plan: FaultPlan | null, options: ExchangeOptions) {
		this.#response = response;
		this.#plan = plan;
		this.#options = options;
		response.once("close", () => {
			this.#stopHeartbeat?.();
			this.#over = true;
			const complete = response.writableFinished;
			if (!complete) this.#gone?.();
			options.onClose(!complete && !this.#cutHere);
		});
	}

	get plan(): FaultPlan | null {
		return this.#plan;
	}

	/** Nothing more can be sent: it is complete, cut or hanging. */
	get over(): boolean {
		return this.#over;
	}

	/** Calls back when the connection ends before the answer is complete: what is still computed for it is in vain. The last
	 *  call counts. */
	onGone(callback: () => void): void {
		this.#gone = callback;
	}

	/** True when the answer stops here by a fault: before the headers, or right after them. */
	hangs(at: "headers" | "body", contentType: string): boolean {
		if (this.#plan?.hang?.at !== at) return false;
		this.#over = true;
		if (at === "body") {
			this.#response.writeHead(200, { "content-type": contentType });
			this.#response.flushHeaders();
		}
		return true;
	}

	/** A header for whatever answer will be sent. */
	addHeader(name: string, value: string): void {
		this.#added[name] = value;
	}

	error(error: VllmError, headers: Readonly<Record<string, string>> = {}): void {
		this.#plain(error.status, errorBody(error), headers);
	}

	/** A plain answer that worked. */
	json(body: string): void {
		if (this.hangs("body", JSON_TYPE)) return;
		if (this.#plan?.garbage) this.#plain(200, "<html><body>upstream is not well</body></html>", {});
		else if (this.#plan?.cut_body) this.#cutBody(body);
		else this.#plain(200, body, {});
	}

	/** An object that is no answer of a model. */
	value(value: object, status = 200): void {
		this.#plain(status, JSON.stringify(value), {});
	}

	text(status: number, body: string): void {
		this.#over = true;
		this.#response.writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8", ...this.#added });
		this.#response.end(body);
	}

	/** The status that a fault asks for. */
	failure({ status, body, retryAfter }: Extract<Fault, { kind: "status" }>): void {
		const headers: Record<string, string> = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
		this.#plain(status, body ?? errorBody(statusError(status, "A simulated failure.")), headers);
	}

	/** Sends the headers of a stream, as vLLM does while the prompt still waits or is computed. */
	openStream(): void {
		if (this.hangs("body", STREAM_TYPE)) return;
		const response = this.#response;
		response.writeHead(200, { "content-type": this.#plan?.content_type?.contentType ?? STREAM_TYPE, ...this.#added });
		if (this.#plan?.garbage) {
			this.#over = true;
			response.end(`data: {"id":"chatcmpl-\n\ndata: <html>upstream is not well</html>\n\n\u0000\n\n`);
			return;
		}
		if (this.#options.eventsPerWrite === null) response.flushHeaders();
		const heartbeat = this.#plan?.heartbeat;
		if (!heartbeat) return;
		this.#write(": heartbeat\n\n");
		const beat = () => this.#write(": heartbeat\n\n");
		this.#stopHeartbeat = this.#options.every(heartbeat.everySeconds ?? 1, beat);
	}

	/** Sends one event: its data. */
	event(data: string): void {
		if (this.#over) return;
		this.#stopHeartbeat?.();
		this.#stopHeartbeat = null;
		const text = `data: ${data}\n\n`;
		const plan = this.#plan;
		if (plan?.cut_stream && this.#events >= plan.cut_stream.afterEvents) {
			this.#cut(plan.cut_stream.midEvent ? text.slice(0, Math.floor(text.length / 2)) : "");
			return;
		}
		if (plan?.hang?.at === "events" && this.#events >= (plan.hang.afterEvents ?? 0)) {
			this.#flush();
			this.#over = true;
			return;
		}
		this.#events++;
		this.#write(text);
	}

	endStream(): void {
		if (this.#over) return;
		if (!this.#plan?.no_done) this.event("[DONE]");
		if (this.#over) return;
		this.#over = true;
		const last = this.#groups.pop();
		if (this.#groups.length === 0) this.#response.end(last);
		else this.#pump([...this.#groups.splice(0), last ?? ""]);
	}

	/** One group in each turn of the event loop, so that they arrive one by one. */
	#pump(groups: readonly string[], at = 0): void {
		if (this.#response.destroyed) return;
		if (at === groups.length - 1) {
			this.#response.end(groups[at]);
			return;
		}
		this.#response.write(groups[at]!);
		setImmediate(() => this.#pump(groups, at + 1));
	}

	#write(text: string): void {
		const perWrite = this.#options.eventsPerWrite;
		if (perWrite === null) {
			this.#response.write(text);
			return;
		}
		const groups = this.#groups;
		if (groups.length === 0 || this.#inGroup >= perWrite) {
			groups.push(text);
			this.#inGroup = 1;
			return;
		}
		groups[groups.length - 1] += text;
		this.#inGroup++;
	}

	#flush(): void {
		for (const group of this.#groups.splice(0)) this.#response.write(group);
	}

	#cut(last: string): void {
		this.#flush();
		this.#destroyAfter(last);
	}

	#cutBody(body: string): void {
		const bytes = Buffer.from(body);
		this.#response.writeHead(200, { "content-type": JSON_TYPE, "content-length": bytes.length });
		this.#destroyAfter(bytes.subarray(0, Math.floor(bytes.length / 2)));
	}

	/** Lets what is written reach the client before the connection ends. */
	#destroyAfter(last: string | Uint8Array): void {
		this.#over = true;
		this.#cutHere = true;
		const response = this.#response;
		if (last.length > 0) response.write(last);
		else response.flushHeaders();
		response.socket?.destroySoon();
	}

	#plain(status: number, body: string, headers: Readonly<Record<string, string>>): void {
		this.#over = true;
		this.#response.writeHead(status, {
			"content-type": (status === 200 ? this.#plan?.content_type?.contentType : undefined) ?? JSON_TYPE,
			"content-length": Buffer.byteLength(body),
			...this.#added,
			...headers,
		});
		this.#response.end(body);
	}
}
