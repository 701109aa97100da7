import { RecentMap } from "../catalog/recent-map.ts";
import type { Seconds } from "../units.ts";
import type { Held } from "./model-outlook.ts";

/** Conversations that an isolate remembers. */
const CONVERSATIONS_MAX = 4_096;
/** What an engine has cached is mostly gone after this, for others' prompts. */
const HELD_SECONDS: Seconds = 600;

interface Turn extends Held {
	readonly model: string;
	readonly at: Seconds;
}

/** Which model answered the last turn of a conversation, and what its replica's cache holds of it; as far as this isolate has seen.
 *  Another isolate knows nothing of it: there a turn is routed by itself. */
export class Conversations {
	readonly #turns = new RecentMap<string, Turn>(CONVERSATIONS_MAX);

	/** `tokens`: prompt and answer of the last turn, which begin the next one's prompt. */
	remember(conversation: string, model: string, held: Held, now: Seconds): void {
		this.#turns.set(conversation, { model, replica: held.replica, tokens: held.tokens, at: now });
	}

	/** The model that had it, and what is still held there. */
	last(conversation: string, now: Seconds): { readonly model: string; readonly held: Held } | null {
		const turn = this.#turns.get(conversation);
		if (!turn || now - turn.at > HELD_SECONDS) return null;
		const { model, replica, tokens } = turn;
		return { model, held: { replica, tokens } };
	}
}
