/** What an isolate holds, in MB: V8's heap and the buffers that belong to it. */
export interface IsolateMemory {
	readonly heap: number;
	readonly buffers: number;
}

/** A collection is done with the isolate's next turn, so it is given turns until then. */
const TURN_MS = 10;
const ANSWER_MS = 10_000;

type Usage = Readonly<Record<string, number>>;

/** Asks V8 in a running workerd. */
export class Inspector {
	readonly #socket: WebSocket;
	readonly #turn: () => Promise<unknown>;
	readonly #answers = new Map<number, Usage>();
	#serial = 0;

	private constructor(socket: WebSocket, turn: () => Promise<unknown>) {
		this.#socket = socket;
		this.#turn = turn;
		socket.addEventListener("message", ({ data }) => {
			const { id, result = {} } = JSON.parse(String(data)) as { readonly id?: number; readonly result?: Usage };
			if (id !== undefined) this.#answers.set(id, result);
		});
	}

	/** Of the Worker of this name; `url` is where the inspector listens, `turn` makes the Worker do something small. */
	static async open(url: URL, worker: string, turn: () => Promise<unknown>): Promise<Inspector> {
		const list = await fetch(new URL("/json", url.href.replace(/^ws/, "http")));
		const targets = (await list.json()) as { readonly id: string; readonly webSocketDebuggerUrl: string }[];
		const target = targets.find(({ id }) => id === `core:user:${worker}`);
		if (!target) throw new Error(`The inspector knows no Worker ${worker}`);
		const socket = new WebSocket(target.webSocketDebuggerUrl);
		await new Promise((resolve, reject) => {
			socket.addEventListener("open", resolve);
			socket.addEventListener("error", reject);
		});
		return new Inspector(socket, turn);
	}

	/** After a collection of garbage. */
	async memory(): Promise<IsolateMemory> {
		await this.#ask("HeapProfiler.collectGarbage");
		const usage = await this.#ask("Runtime.getHeapUsage");
		return { heap: (usage["usedSize"] ?? 0) / 1e6, buffers: (usage["backingStorageSize"] ?? 0) / 1e6 };
	}

	close(): void {
		this.#socket.close();
	}

	async #ask(method: string): Promise<Usage> {
		const id = ++this.#serial;
		this.#socket.send(JSON.stringify({ id, method, params: {} }));
		for (const began = performance.now(); performance.now() - began < ANSWER_MS;) {
			const answer = this.#answers.get(id);
			if (answer) {
				this.#answers.delete(id);
				return answer;
			}
			await this.#turn();
			await new Promise((resolve) => setTimeout(resolve, TURN_MS));
		}
		throw new Error(`The inspector does not answer ${method}`);
	}
}
