import type { RouteControls } from "../../../src/shared/router/controls.ts";
import type { JudgeMessage } from "../../../src/shared/router/judge.ts";
import { VERDICT_TOKENS_MAX } from "../../../src/shared/router/judge.ts";

/** Longer bodies are not sent twice. */
export const SHADOW_BODY_BYTES_MAX = 256 * 1024;

type Body = Readonly<Record<string, unknown>>;

/** What the second model is asked; null where that cannot be made: the client's body with one answer, unstreamed, behind all that is waited for. */
export function shadowBody(bytes: Uint8Array, model: string, controls: RouteControls): Body | null {
	let body: Body;
	try {
		body = JSON.parse(new TextDecoder().decode(bytes)) as Body;
	} catch {
		// What passes bytes on is not as strict as a parser, and the pool may be neither.
		return null;
	}
	const { stream: _stream, stream_options: _options, n: _n, best_of: _best, ...asked } = body;
	return { ...asked, model: [model], isobar: isobarOf(body, controls) };
}

/** What the judge is asked. It sees the prompt, so what the client demands of whoever sees it holds for it too. */
export function judgeBody(
	client: Body,
	model: string,
	messages: readonly JudgeMessage[],
	controls: RouteControls,
): Body {
	return {
		model: [model],
		messages,
		temperature: 0,
		max_tokens: VERDICT_TOKENS_MAX,
		isobar: isobarOf(client, controls),
	};
}

function isobarOf({ isobar }: Body, { require: demands = {} }: RouteControls): Body {
	const own = typeof isobar === "object" && isobar !== null ? isobar : {};
	const { regions, licences, privacy, price_ceiling_usd: ceiling } = demands;
	const require = {
		...(regions && { regions }),
		...(licences && { licences }),
		...(privacy && { privacy }),
		...(ceiling !== undefined && { price_ceiling_usd: ceiling }),
	};
	return { ...own, priority: "batch", hedge: false, heartbeats: false, route: { require } };
}
