/** Draws a picture as a view says. A function of what it is given; the caller owns the canvas and the time. */
import type { Size, View } from './geometry';

export interface Light {
  /** 1 is unchanged. */
  brightness: number;
  contrast: number;
}

export const NORMAL_LIGHT: Light = { brightness: 1, contrast: 1 };

/** From here on single pixels are shown as squares instead of being blurred. */
const PIXELS_FROM = 3;

export interface Surface {
  context: CanvasRenderingContext2D;
  /** In CSS pixels. */
  window: Size;
  /** Device pixels to one CSS pixel. */
  density: number;
}

export function drawPicture(surface: Surface, picture: CanvasImageSource & Size, view: View, light: Light): void {
  const { context, window, density } = surface;
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, window.width, window.height);
  const { width, height } = picture;
  context.imageSmoothingEnabled = view.scale * density < PIXELS_FROM;
  context.imageSmoothingQuality = 'high';
  context.filter =
    light.brightness === 1 && light.contrast === 1
      ? 'none'
      : `brightness(${light.brightness}) contrast(${light.contrast})`;
  context.translate(view.x, view.y);
  context.scale(view.scale, view.scale);
  const [shiftX, shiftY] = [
    [0, 0],
    [height, 0],
    [width, height],
    [0, width]
  ][view.turns] as [number, number];
  context.translate(shiftX, shiftY);
  context.rotate((view.turns * Math.PI) / 2);
  context.drawImage(picture, 0, 0, width, height);
  context.filter = 'none';
}
