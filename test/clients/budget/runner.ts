/** A client process of races: gets its requests, says that it is ready, and fires them all at once when told to. Speaks
 *  with whoever forked it; see race.ts. */
import type { Order, Shot } from "./race.ts";

interface Answered {
	readonly error?: { readonly code: string; readonly details?: Readonly<Record<string, unknown>> };
	readonly usage?: { readonly total_tokens: number };
}

async function fire({ url, key, body, hangUpAfter }: Order): Promise<Shot> {
	const sentAt = Date.now() / 1_000;
	const none = { status: 0, id: null, code: null, details: null, retryAfter: null, whole: false, tokens: null };
	const abort = new AbortController();
	if (hangUpAfter !== undefined) setTimeout(() => abort.abort(), hangUpAfter * 1_000);
	try {
		const response = await fetch(`${url}/v1/chat/completions`, {
			method: "POST",
			headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
			body: JSON.stringify(body),
			signal: abort.signal,
		});
		const head = {
			status: response.status,
			id: response.headers.get("x-isobar-request-id"),
			retryAfter: response.headers.get("retry-after"),
		};
		try {
			const read = readAnswer(await response.text());
			return { ...none, ...head, ...read, sentAt, endedAt: Date.now() / 1_000 };
		} catch {
			return { ...none, ...head, sentAt, endedAt: Date.now() / 1_000 };
		}
	} catch {
		return { ...none, sentAt, endedAt: Date.now() / 1_000 };
	}
}

function readAnswer(text: string): Pick<Shot, "whole" | "code" | "details" | "tokens"> {
	if (text.startsWith("data:")) {
		return { whole: text.trimEnd().endsWith("data: [DONE]"), code: null, details: null, tokens: null };
	}
	const { error, usage }: Answered = JSON.parse(text);
	return {
		whole: usage !== undefined,
		code: error?.code ?? null,
		details: error?.details ?? null,
		tokens: usage?.total_tokens ?? null,
	};
}

let orders: readonly Order[] = [];
process.on("message", (message: readonly Order[] | "go") => {
	if (message !== "go") {
		orders = message;
		process.send?.("ready");
		return;
	}
	void Promise.all(orders.map(fire)).then((shots) => process.send?.(shots));
});
