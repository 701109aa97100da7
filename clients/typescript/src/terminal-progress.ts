import type { ClientEvent, OnEvent } from "./events.ts";

const WIDTH = 24;
const MIB = 2 ** 20;

interface Terminal {
	readonly isTTY?: boolean;
	readonly write: (text: string) => unknown;
}

/** Shows what a client does: on a terminal a bar that moves, else a line for each thing that is done. */
export function terminalProgress(out: Terminal = process.stderr): OnEvent {
	let isOpen = false;
	return (event) => {
		const bar = barOf(event);
		if (bar !== null) {
			if (!out.isTTY) return;
			out.write(`\r\x1b[K${bar}`);
			isOpen = true;
			return;
		}
		const line = lineOf(event);
		if (line === null) return;
		out.write(isOpen ? `\r\x1b[K${line}\n` : `${line}\n`);
		isOpen = false;
	};
}

function barOf(event: ClientEvent): string | null {
	switch (event.type) {
		case "pulling":
			return bar("pull ", event.bytes, event.total, MIB, "MiB");
		case "pushing":
			return bar("push ", event.bytes, event.total, MIB, "MiB");
		case "training":
			return bar("train", event.done, event.total, 1, "");
		default:
			return null;
	}
}

function bar(what: string, done: number, total: number, unit: number, name: string): string {
	const part = total > 0 ? Math.min(1, done / total) : 0;
	const filled = Math.round(part * WIDTH);
	const digits = unit === 1 ? 0 : 1;
	const counts = `${(done / unit).toFixed(digits)}/${(total / unit).toFixed(digits)} ${name}`;
	return `${what} [${"#".repeat(filled)}${" ".repeat(WIDTH - filled)}] ${counts}`.trimEnd();
}

function lineOf(event: ClientEvent): string | null {
	switch (event.type) {
		case "joined":
			return `joined as ${event.client}`;
		case "waiting":
			return `waiting: ${event.reason}`;
		case "task":
			return `round ${event.task.round}, from version ${event.task.base.version}`;
		case "decided": {
			const { id, state, version, reason } = event.decision;
			return `update ${id}: ${state}${version === undefined ? "" : ` in version ${version}`}${reason ? ` (${reason.code})` : ""}`;
		}
		case "dropped":
			return `update ${event.update} was dropped: ${event.code}`;
		case "retrying":
			return `${event.error.message}; again in ${event.seconds.toFixed(1)} s`;
		case "resumed":
			return `going on at byte ${event.bytes}`;
		case "ended":
			return `ended: ${event.reason}`;
		default:
			return null;
	}
}
