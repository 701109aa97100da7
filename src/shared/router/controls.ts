import * as z from "zod";
import { CAPABILITIES } from "../catalog/capabilities.ts";
import { problemsFrom } from "../catalog/problems.ts";
import { licencesSchema, qualityFloorSchema, qualityUsdSchema, routeWeightsSchema } from "../catalog/route-fields.ts";
import { PRIVACY_ZONES } from "../catalog/router-names.ts";
import { isobarError, type IsobarError } from "../http/errors.ts";
import { USD_MAX } from "../money/nano.ts";
import { lazy } from "../lazy.ts";
import { err, ok, type Result } from "../result.ts";

/** `route`: one model answers. `cascade` and `vote`: several may be asked. */
export const MODES = ["route", "cascade", "vote"] as const;
export type Mode = (typeof MODES)[number];

/** What a request demands of whoever answers it. */
const requireSchema = () =>
	z
		.strictObject({
			/** Tokens of context that the pool must have, whatever this prompt needs. */
			context_length: z.number().int().positive().max(100_000_000),
			capabilities: z.array(z.enum(CAPABILITIES)).min(1).max(CAPABILITIES.length),
			regions: z.array(z.string().min(1).max(64)).min(1).max(64),
			/** Of what the request is expected to cost. */
			price_ceiling_usd: z.number().nonnegative().max(USD_MAX),
			licences: licencesSchema(),
			/** The last zone that the prompt may go to. */
			privacy: z.enum(PRIVACY_ZONES),
		})
		.partial();

/** The body field `isobar.route`, and the header `x-isobar-route`: how one request is routed. */
const controlsSchema = lazy(() =>
	z
		.strictObject({
			mode: z.enum(MODES),
			quality_floor: qualityFloorSchema(),
			quality_usd: qualityUsdSchema(),
			weights: routeWeightsSchema(),
			require: requireSchema(),
			/** Of what the request may cost at most. */
			max_usd: z.number().nonnegative().max(USD_MAX),
			/** Of what it is expected to take, to the last token. */
			max_seconds: z.number().positive().max(86_400),
			/** Calls to pools, retries included. */
			max_calls: z.number().int().min(1).max(64),
			/** Whether the answer may be one that was given before, and is kept. Default: as the router or the key says. */
			cache: z.boolean(),
		})
		.partial(),
);
export type RouteControls = z.infer<ReturnType<typeof controlsSchema>>;

export const ROUTE_HEADER = "x-isobar-route";
export const ROUTE_FIELD = "isobar.route";
/** The platform takes no longer header either. */
const HEADER_CHARS_MAX = 8_192;

export interface ReadControls {
	readonly controls: RouteControls;
	/** Paths of those that the header alone has set: `max_usd`, `require.regions`. */
	readonly inHeader: readonly string[];
}

/** The controls of a request: the header's, and over them the body's, field by field, also those of `weights` and `require`.
 *  `body`: null where the body has none. */
export function readControls(header: string | null, body: unknown): Result<ReadControls, IsobarError> {
	const fromHeader = header === null ? ok({}) : parseHeader(header);
	if (!fromHeader.ok) return fromHeader;
	const fromBody = body === null ? ok({}) : check(body, ROUTE_FIELD);
	if (!fromBody.ok) return fromBody;
	const controls = merged(fromHeader.value, fromBody.value);
	return ok({
		controls,
		inHeader: pathsOf(fromHeader.value).filter((path) => !pathsOf(fromBody.value).includes(path)),
	});
}

function pathsOf({ weights = {}, require: demands = {}, ...own }: RouteControls): string[] {
	return [
		...Object.keys(own),
		...Object.keys(weights).map((name) => `weights.${name}`),
		...Object.keys(demands).map((name) => `require.${name}`),
	];
}

/** The error with the place where the client has set what it names, if that is the header. */
export function asAsked(error: IsobarError, read: ReadControls | null): IsobarError {
	const { param } = error;
	if (!read || !param?.startsWith(`${ROUTE_FIELD}.`)) return error;
	const path = param.slice(ROUTE_FIELD.length + 1);
	return read.inHeader.includes(path) ? { ...error, param: `${ROUTE_HEADER}.${path}` } : error;
}

function parseHeader(text: string): Result<RouteControls, IsobarError> {
	if (text.length > HEADER_CHARS_MAX) {
		return wrong(ROUTE_HEADER, `${ROUTE_HEADER} may have ${HEADER_CHARS_MAX} characters at most.`);
	}
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return wrong(ROUTE_HEADER, `${ROUTE_HEADER} must be a JSON object, as the body field ${ROUTE_FIELD} is.`);
	}
	return check(value, ROUTE_HEADER);
}

function check(value: unknown, where: string): Result<RouteControls, IsobarError> {
	const parsed = controlsSchema().safeParse(value);
	if (parsed.success) return ok(parsed.data);
	const [first] = problemsFrom(parsed.error);
	const path = first?.path ? `${where}.${first.path}` : where;
	return wrong(path, `${path}: ${first?.message ?? "invalid"}.`);
}

function wrong(param: string, message: string): Result<never, IsobarError> {
	return err(isobarError("invalid_request", message, { param }));
}

function merged(under: RouteControls, over: RouteControls): RouteControls {
	const weights = { ...under.weights, ...over.weights };
	const demands = { ...under.require, ...over.require };
	return { ...under, ...over, weights, require: demands };
}
