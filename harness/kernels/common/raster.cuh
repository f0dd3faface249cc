// Tiles of a product in an order that keeps to the L2 cache: bands of RASTER_ROWS rows of outputs, column after column within
// them. Tiles of one time then share about as many rows as columns, where a band is as high as the square root of the outputs
// that are made at a time. TILE_M rows a tile.
#pragma once

struct Raster {
    u32 rows, columns; // tiles

    __device__ __forceinline__ u32 tiles() const { return rows * columns; }
    __device__ __forceinline__ void place(u32 tile, u32 &row, u32 &column) const
    {
        const u32 height = RASTER_ROWS / TILE_M;
        const u32 band = tile / (height * columns), within = tile % (height * columns);
        const u32 first = band * height, own = min(height, rows - first);
        row = first + within % own;
        column = within / own;
    }
};
