import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";

/** One request of a race. */
export interface Order {
	/** Of the isolate that it goes to, without `/v1`. */
	readonly url: string;
	readonly key: string;
	/** A chat body. */
	readonly body: object;
	/** The client hangs up after so many seconds. */
	readonly hangUpAfter?: number;
}

/** How an order went, as its client saw it. */
export interface Shot {
	/** 0: no answer came. */
	readonly status: number;
	readonly id: string | null;
	readonly code: string | null;
	readonly details: Readonly<Record<string, unknown>> | null;
	readonly retryAfter: string | null;
	/** A whole answer, not cut. */
	readonly whole: boolean;
	/** As the pool counted, for plain answers. */
	readonly tokens: number | null;
	/** Unix seconds. */
	readonly sentAt: number;
	readonly endedAt: number;
}

export const CLIENTS = 8;

/** Eight processes that send requests. */
export interface Clients {
	/** Sends all orders at once, dealt in turn; resolves to how each went, in the order of `orders`. */
	race(orders: readonly Order[]): Promise<Shot[]>;
	stop(): void;
}

export function startClients(): Clients {
	const clients = Array.from({ length: CLIENTS }, () => fork(join(import.meta.dirname, "runner.ts"), { execArgv: [] }));
	return {
		async race(orders) {
			await Promise.all(
				clients.map((client, c) => {
					const ready = nextMessage(client);
					client.send(orders.filter((_, i) => i % CLIENTS === c));
					return ready;
				}),
			);
			const shots = await Promise.all(
				clients.map((client) => {
					const done = nextMessage<Shot[]>(client);
					client.send("go");
					return done;
				}),
			);
			return orders.map((_, i) => shots[i % CLIENTS]![Math.floor(i / CLIENTS)]!);
		},
		stop() {
			for (const client of clients) client.kill();
		},
	};
}

function nextMessage<T>(client: ChildProcess): Promise<T> {
	return new Promise((resolve, reject) => {
		const ended = (code: number | null): void => reject(new Error(`a client process ended with code ${code}`));
		client.once("exit", ended);
		client.once("message", (message) => {
			client.off("exit", ended);
			resolve(message as T);
		});
	});
}

/** The answers and the refusals of a race. Throws when anything else came. */
export function sorted(shots: readonly Shot[], refusal: string): { served: Shot[]; refused: Shot[] } {
	const served = shots.filter((shot) => shot.status === 200 && shot.whole);
	const refused = shots.filter((shot) => shot.code === refusal);
	const other = shots.filter((shot) => !served.includes(shot) && !refused.includes(shot));
	if (other.length > 0) throw new Error(`${other.length} other outcomes, the first: ${JSON.stringify(other[0])}`);
	return { served, refused };
}
