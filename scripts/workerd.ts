import { AsyncLocalStorage } from "node:async_hooks";
import { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";

/** `level` is the console method that printed the line. */
export type LogLine = (line: string, level: string) => void;

export interface WorkerdOptions {
	readonly workers: readonly (V4WorkerOptions & { readonly name: string })[];
	/** Port of the first Worker; 0 for a free one. The others get free ones. */
	readonly port?: number;
	readonly host?: string;
	/** Where Durable Objects and D1 keep their files. Absent: in memory where the system can, gone at the end. */
	readonly persist?: string | undefined;
	/** Where the inspector of V8 listens; 0 for a free port. Absent: nowhere. */
	readonly inspectorPort?: number;
	/** What the Workers print, and what goes wrong in the runtime. */
	readonly onLog?: LogLine;
	/** Keeps the terminal's Ctrl-C from workerd, which would end it before this process can let requests end. Default: false. */
	readonly detached?: boolean;
	/** Called with the process number of each workerd that is started: again after a crash. */
	readonly onSpawn?: (pid: number) => void;
}

export interface Workerd {
	/** Where each Worker listens, in the order of `workers`. */
	readonly urls: readonly URL[];
	readonly miniflare: Miniflare;
	/** Of workerd itself; changes when it crashed and was started again. */
	readonly pid: number;
	readonly stop: () => Promise<void>;
	/** Ends workerd at once with SIGKILL and leaves it down: what it had in memory is lost, what it wrote stays. */
	readonly kill: () => Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

interface Holder {
	child?: ChildProcess;
	readonly detached: boolean;
	readonly onSpawn: (pid: number) => void;
}

const spawned = new AsyncLocalStorage<Holder>();
// Miniflare does not say which process it started. Node does, in the context of the call that started it.
subscribe("child_process", (message) => {
	const holder = spawned.getStore();
	if (!holder || typeof message !== "object" || message === null || !("process" in message)) return;
	const { process: child } = message;
	if (!(child instanceof ChildProcess)) return;
	holder.child = child;
	child.once("spawn", () => child.pid !== undefined && holder.onSpawn(child.pid));
});
// Nor does it let one choose how. An older Node has no such channel: workerd then ends at Ctrl-C, as it would by itself.
subscribe("tracing:child_process.spawn:start", (message) => {
	if (!spawned.getStore()?.detached || typeof message !== "object" || message === null) return;
	if ("options" in message && typeof message.options === "object" && message.options !== null) {
		Object.assign(message.options, { detached: true });
	}
});

/** Runs Workers in workerd, each on a socket of its own. The sockets are workerd's: Miniflare's entry Worker, which would
 *  cost two thirds of the throughput and sits in front by default, is passed by. Rejects when the port is taken. */
export async function runWorkers(options: WorkerdOptions): Promise<Workerd> {
	const { port = 0, host = "127.0.0.1", onLog = printLine } = options;
	const scratch = options.persist === undefined ? await makeScratch() : null;
	const state = scratch?.directory ?? resolve(options.persist ?? "");
	await mkdir(state, { recursive: true });
	const holder: Holder = { detached: options.detached ?? false, onSpawn: options.onSpawn ?? (() => {}) };
	const restoreSignals = keepSignalHandlers();
	const miniflare = spawned.run(
		holder,
		() =>
			new Miniflare(
				convertV4MiniflareOptions({
					// Without this it asks the network where it runs.
					cf: false,
					logRequests: false,
					log: new RuntimeLog(onLog),
					handleStructuredLogs: ({ level, message }) => onLog(message, level),
					resourcePersistencePath: state,
					...(options.inspectorPort !== undefined && { inspectorPort: options.inspectorPort }),
					workers: options.workers.map((worker, index) => ({
						...worker,
						// Every fetch of a Worker goes through one of Miniflare's, which would copy its headers for that.
						stripCfConnectingIp: false,
						unsafeDirectSockets: [{ host, port: index === 0 ? port : 0 }],
					})),
				}),
			),
	);
	restoreSignals();
	async function dispose(): Promise<void> {
		try {
			await miniflare.dispose();
		} finally {
			scratch?.remove();
		}
	}
	try {
		await miniflare.ready;
		const urls = await Promise.all(options.workers.map((worker) => miniflare.unsafeGetDirectURL(worker.name)));
		return {
			urls,
			miniflare,
			get pid() {
				return holder.child?.pid ?? 0;
			},
			stop: dispose,
			async kill() {
				holder.child?.kill("SIGKILL");
				// In the same tick, before Miniflare sees the end of it and starts it again.
				await dispose();
			},
		};
	} catch (error) {
		await dispose().catch(() => {});
		throw error;
	}
}

/** A directory in tmpfs where there is one (a commit costs no fsync there, and tests write thousands), gone with the process
 *  at the latest. */
async function makeScratch() {
	const directory = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "isobar-"));
	function remove(): void {
		process.off("exit", remove);
		rmSync(directory, { recursive: true, force: true });
	}
	process.on("exit", remove);
	return { directory, remove };
}

/** Miniflare ends the process at once on a signal. Where the process handles the signal itself, that is left to it; Miniflare
 *  still stops workerd when the process ends. Call before it is made; the result, after. */
function keepSignalHandlers(): () => void {
	const own = SIGNALS.map((signal) => [signal, process.listeners(signal)] as const);
	return () => {
		for (const [signal, before] of own) {
			if (before.length === 0) continue;
			for (const added of process.listeners(signal)) if (!before.includes(added)) process.off(signal, added);
		}
	};
}

class RuntimeLog extends Log {
	readonly #onLog: LogLine;

	constructor(onLog: LogLine) {
		super(LogLevel.WARN);
		this.#onLog = onLog;
	}

	override logWithLevel(level: LogLevel, message: string): void {
		if (level <= LogLevel.WARN) this.#onLog(message, level === LogLevel.ERROR ? "error" : "warn");
	}
}

function printLine(line: string, level: string): void {
	if (level === "warn" || level === "error") console.error(line);
}
