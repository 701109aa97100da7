import type { Decision, Task } from "./messages.ts";

/** What a client tells whoever watches it. Bytes count from 0 for each transfer. */
export type ClientEvent =
	| { readonly type: "joined"; readonly client: string }
	| { readonly type: "waiting"; readonly reason: string; readonly retryAt: number | null }
	| { readonly type: "task"; readonly task: Task }
	| { readonly type: "pulling"; readonly version: number; readonly bytes: number; readonly total: number }
	| { readonly type: "training"; readonly done: number; readonly total: number }
	| { readonly type: "pushing"; readonly update: string; readonly bytes: number; readonly total: number }
	/** The answer to a commit, and later what became of it. */
	| { readonly type: "decided"; readonly decision: Decision }
	/** An update that can no longer count was dropped before its commit: `code` says why. */
	| { readonly type: "dropped"; readonly update: string; readonly code: string }
	| { readonly type: "retrying"; readonly error: Error; readonly seconds: number }
	/** A download goes on where an earlier one broke. */
	| { readonly type: "resumed"; readonly bytes: number }
	| { readonly type: "ended"; readonly reason: "run_closed" | "stopped" };

export type OnEvent = (event: ClientEvent) => void;
