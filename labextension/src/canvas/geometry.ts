/**
 * Where a picture lies on the screen: pure geometry with two kinds of points that the compiler keeps apart.
 *
 * A view turns the picture by quarter turns, scales it, and moves it: screen = offset + scale · turn(image).
 */
declare const space: unique symbol;

export interface ImagePoint {
  readonly x: number;
  readonly y: number;
  readonly [space]?: 'image';
}

export interface ScreenPoint {
  readonly x: number;
  readonly y: number;
  readonly [space]?: 'screen';
}

export interface Size {
  width: number;
  height: number;
}

export type QuarterTurns = 0 | 1 | 2 | 3;

export interface View {
  scale: number;
  /** Screen position of the turned picture's top left corner. */
  x: number;
  y: number;
  turns: QuarterTurns;
}

export const imagePoint = (x: number, y: number): ImagePoint => ({ x, y });
export const screenPoint = (x: number, y: number): ScreenPoint => ({ x, y });

export const SMALLEST_SCALE = 0.02;
export const LARGEST_SCALE = 40;
/** Pictures smaller than the window are enlarged at most this much when fitted: digits of 8 pixels become visible. */
const LARGEST_FIT = 32;

export const turned = (size: Size, turns: QuarterTurns): Size =>
  turns % 2 ? { width: size.height, height: size.width } : size;

/** The whole picture, centred, with a margin. */
export function fit(picture: Size, window: Size, turns: QuarterTurns = 0, margin = 8): View {
  const { width, height } = turned(picture, turns);
  const room = { width: Math.max(1, window.width - 2 * margin), height: Math.max(1, window.height - 2 * margin) };
  const scale = Math.min(room.width / width, room.height / height, LARGEST_FIT);
  return centred(picture, window, scale, turns);
}

/** The picture at a scale, centred. */
export function centred(picture: Size, window: Size, scale: number, turns: QuarterTurns = 0): View {
  const { width, height } = turned(picture, turns);
  return { scale, turns, x: (window.width - width * scale) / 2, y: (window.height - height * scale) / 2 };
}

/** Scales about a point of the screen, which stays where it is. */
export function zoomAt(view: View, at: ScreenPoint, factor: number): View {
  const scale = Math.max(SMALLEST_SCALE, Math.min(LARGEST_SCALE, view.scale * factor));
  const real = scale / view.scale;
  return { ...view, scale, x: at.x - (at.x - view.x) * real, y: at.y - (at.y - view.y) * real };
}

export const pan = (view: View, dx: number, dy: number): View => ({ ...view, x: view.x + dx, y: view.y + dy });

/** Keeps a part of the picture in the window, so that it cannot get lost. */
export function keepInSight(view: View, picture: Size, window: Size, least = 40): View {
  const { width, height } = turned(picture, view.turns);
  const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));
  return {
    ...view,
    x: clamp(view.x, least - width * view.scale, window.width - least),
    y: clamp(view.y, least - height * view.scale, window.height - least)
  };
}

export const turnRight = (turns: QuarterTurns): QuarterTurns => ((turns + 1) % 4) as QuarterTurns;

export function toScreen(view: View, picture: Size, point: ImagePoint): ScreenPoint {
  const { width: w, height: h } = picture;
  const turnedPoint = [
    { x: point.x, y: point.y },
    { x: h - point.y, y: point.x },
    { x: w - point.x, y: h - point.y },
    { x: point.y, y: w - point.x }
  ][view.turns] ?? point;
  return screenPoint(view.x + turnedPoint.x * view.scale, view.y + turnedPoint.y * view.scale);
}

export function toImage(view: View, picture: Size, point: ScreenPoint): ImagePoint {
  const { width: w, height: h } = picture;
  const x = (point.x - view.x) / view.scale;
  const y = (point.y - view.y) / view.scale;
  return [imagePoint(x, y), imagePoint(y, h - x), imagePoint(w - x, h - y), imagePoint(w - y, x)][view.turns] ?? imagePoint(x, y);
}
